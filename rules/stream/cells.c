#include "rules/stream/cells.h"

#include "base/hash.h"

#include <string.h>

void wr_cells_pack(const struct wr_schema *schema, const struct wr_vec *cols, uint32_t row,
                   struct wr_buf *out)
{
    for (uint16_t c = 0; c < schema->ncols; c++) {
        const struct wr_vec *v = &cols[c];
        bool null = (!v->i && !v->r && !v->s) || !wr_vec_valid(v, row);
        wr_buf_u8(out, null);
        if (null)
            continue;
        if (v->s) {
            wr_buf_blob(out, wr_str_data(&v->s[row]), v->s[row].len);
            continue;
        }
        uint64_t bits = 0;
        memcpy(&bits, v->r ? (const void *)&v->r[row] : (const void *)&v->i[row], sizeof bits);
        wr_buf_u64(out, bits);
    }
}

/* False when the bytes are not one row of the columns, or memory ran out. */
static bool unpack(const struct wr_schema *schema, const void *bytes, size_t len, struct wr_alert *a)
{
    struct wr_rd rd = wr_rd_init(bytes, len);
    uint16_t n = schema->ncols;
    a->cells = wr_arena_alloc(a->arena, (n + 1u) * sizeof *a->cells);
    if (!a->cells)
        return false;
    for (uint16_t c = 0; c < n; c++) {
        const struct wr_coldef *def = &schema->cols[c];
        struct wr_alert_cell *cell = &a->cells[c];
        *cell = (struct wr_alert_cell){.name = wr_arena_strndup(a->arena, def->name, strlen(def->name)),
                                       .type = def->type,
                                       .null = wr_rd_u8(&rd) != 0};
        if (!cell->name)
            return false;
        if (cell->null)
            continue;
        if (wr_type_is_str(def->type)) {
            uint32_t size;
            const uint8_t *p = wr_rd_blob(&rd, &size);
            if (rd.err || !wr_str_copy(a->arena, (const char *)p, size, &cell->s))
                return false;
            continue;
        }
        uint64_t bits = wr_rd_u64(&rd);
        if (def->type == WR_REAL)
            memcpy(&cell->r, &bits, sizeof cell->r);
        else
            cell->i = (int64_t)bits;
    }
    a->ncells = n;
    return !rd.err && rd.at == rd.end;
}

bool wr_cells_check(const struct wr_schema *schema, const void *bytes, size_t len)
{
    struct wr_alert a = {.arena = wr_arena_new(1024)};
    bool ok = a.arena && unpack(schema, bytes, len, &a);
    wr_arena_free(a.arena);
    return ok;
}

struct wr_alert *wr_cells_alert(const struct wr_schema *schema, const struct wr_buf *cells,
                                enum wr_alert_kind kind, const char *id, uint32_t seq)
{
    struct wr_arena *arena = wr_arena_new(1024);
    struct wr_alert *a = arena ? wr_arena_alloc(arena, sizeof *a) : NULL;
    if (!a) {
        wr_arena_free(arena);
        return NULL;
    }
    *a = (struct wr_alert){.arena = arena, .seq = seq, .kind = kind};
    memcpy(a->id, id, sizeof a->id);
    if (cells->err || !unpack(schema, cells->data, cells->len, a)) {
        wr_alert_free(a);
        return NULL;
    }
    return a;
}

bool wr_cells_id(const char *rule_id, const char *rule_version, const void *key, size_t len, int64_t t_cross,
                 char id[33])
{
    struct wr_buf text = {0};
    uint8_t digest[32];
    wr_buf_blob(&text, rule_id, (uint32_t)strlen(rule_id));
    wr_buf_blob(&text, rule_version, (uint32_t)strlen(rule_version));
    wr_buf_blob(&text, key, (uint32_t)len);
    wr_buf_u64(&text, (uint64_t)t_cross);
    bool ok = !text.err;
    wr_sha256(text.data ? text.data : "", text.len, digest);
    wr_hex(digest, 16, id);
    wr_buf_fini(&text);
    return ok;
}
