/* What a rule's file says about its alerts. The alert owns copies: it may outlive the rule set. */
#include "rules/stream/decorate.h"

#include <string.h>

static const char *text_in(struct wr_arena *arena, const char *text)
{
    const char *copy = text ? wr_arena_strndup(arena, text, strlen(text)) : NULL;
    return copy ? copy : "";
}

static const char *const *list_in(struct wr_arena *arena, const char *const *list, uint32_t *n)
{
    const char **copy = wr_arena_alloc(arena, (*n + 1) * sizeof(const char *));
    if (!copy)
        *n = 0;
    for (uint32_t i = 0; i < *n; i++)
        copy[i] = text_in(arena, list[i]);
    return copy;
}

/* A cell as tostring() has it. */
static void cell_text(const struct wr_alert *a, uint16_t col, struct wr_buf *out)
{
    const struct wr_alert_cell *c = col < a->ncells ? &a->cells[col] : NULL;
    struct wr_buf json = {0};
    if (!c || c->null)
        return;
    wr_cell_json(c, &json);
    bool quoted = json.len > 1 && json.data[0] == '"';
    if (wr_type_is_str(c->type) && c->type != WR_DYNAMIC)
        wr_buf_add(out, wr_str_data(&c->s), c->s.len);
    else
        wr_buf_add(out, json.data + quoted, json.len - 2 * (size_t)quoted);
    out->err = out->err ? out->err : json.err;
    wr_buf_fini(&json);
}

/* The text that a format gives for this row; `otherwise` when there is none, or it comes out empty. */
static const char *formatted(struct wr_alert *a, const struct wr_rule_format *format, const char *otherwise)
{
    struct wr_buf text = {0};
    for (uint32_t i = 0; i < format->n; i++)
        if (format->pieces[i].col == WR_NO_COL)
            wr_buf_str(&text, format->pieces[i].text);
        else
            cell_text(a, format->pieces[i].col, &text);
    const char *own = text.len && !text.err ? wr_arena_strndup(a->arena, text.data, text.len) : NULL;
    wr_buf_fini(&text);
    return own ? own : text_in(a->arena, otherwise);
}

/* High, Medium, Low or Informational from a column, whatever its case; anything else leaves the rule's. */
static const char *severity(const struct wr_alert *a, const struct wr_rule *rule)
{
    struct wr_buf text = {0};
    const char *given = NULL;
    if (rule->severity_col != WR_NO_COL)
        cell_text(a, rule->severity_col, &text);
    if (text.len && !text.err)
        given = wr_severity_of(text.data, text.len);
    wr_buf_fini(&text);
    return given ? given : rule->severity;
}

/* Tactics of a column: `CommandAndControl, Exfiltration`, or a JSON array of them. */
static void tactics(struct wr_alert *a, const struct wr_rule *rule)
{
    enum { MAX = 16 };
    struct wr_buf text = {0};
    const char **list = wr_arena_alloc(a->arena, MAX * sizeof(const char *));
    a->ntactics = rule->ntactics;
    a->tactics = list_in(a->arena, rule->tactics, &a->ntactics);
    if (rule->tactics_col != WR_NO_COL && list)
        cell_text(a, rule->tactics_col, &text);
    wr_buf_char(&text, '\0');
    uint32_t n = 0;
    char *save = NULL;
    for (char *t = text.err ? NULL : strtok_r(text.data, "[]\", \t", &save); t && n < MAX; t = strtok_r(NULL, "[]\", \t", &save))
        list[n++] = text_in(a->arena, t);
    if (n) {
        a->tactics = list;
        a->ntactics = n;
    }
    wr_buf_fini(&text);
}

static void columns(struct wr_alert *a, const struct wr_rule *rule)
{
    a->entities = wr_arena_alloc(a->arena, (rule->nentities + 1) * sizeof *a->entities);
    for (uint32_t i = 0; a->entities && i < rule->nentities; i++) {
        if (rule->entities[i].col >= a->ncells)
            continue;
        a->entities[a->nentities].type = text_in(a->arena, rule->entities[i].type);
        a->entities[a->nentities].identifier = text_in(a->arena, rule->entities[i].identifier);
        a->entities[a->nentities++].cell = rule->entities[i].col;
    }
    a->details = wr_arena_alloc(a->arena, (rule->ndetails + 1) * sizeof *a->details);
    for (uint32_t i = 0; a->details && i < rule->ndetails; i++)
        if (rule->details[i].col < a->ncells) {
            a->details[a->ndetails].key = text_in(a->arena, rule->details[i].key);
            a->details[a->ndetails++].cell = rule->details[i].col;
        }
}

void wr_alert_decorate(struct wr_alert *a, const struct wr_rule *rule)
{
    a->rule_id = text_in(a->arena, rule->id);
    a->rule_name = text_in(a->arena, rule->name);
    a->rule_version = text_in(a->arena, rule->version);
    a->title = formatted(a, &rule->title_format, rule->name);
    a->description = formatted(a, &rule->description_format, rule->description);
    a->severity = text_in(a->arena, severity(a, rule));
    a->confidence = text_in(a->arena, rule->confidence);
    a->ntechniques = rule->ntechniques;
    a->techniques = list_in(a->arena, rule->techniques, &a->ntechniques);
    tactics(a, rule);
    columns(a, rule);
}
