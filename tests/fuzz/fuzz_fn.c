/* Kernels over arbitrary text: a name and a NUL byte, or else the first two bytes, pick the
 * function; the rest is cut at NUL bytes into its arguments. Constants are prepared as the binder
 * does; a text meets a kernel as string, as dynamic value when it is JSON, or as a number. Results
 * must be well-formed: JSON for dynamic ones, texts within the limits. */
#include "rules/exec/eval.h"
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARGS_MAX = 6 };

/* One letter of a signature and a piece of the input as a value of that type. */
static void value_of(char letter, const char *text, size_t len, struct wr_arena *arena,
                     struct wr_value *ret)
{
    static const char letters[] = "bilrdtsgyc";
    const char *at = strchr(letters, letter);
    ret->type = at && letter ? (enum wr_type)(at - letters) : WR_STRING;
    ret->s = wr_str_borrow(text, len);
    struct wr_buf json = {0};
    if (ret->type == WR_DYNAMIC) {
        ret->null =
            !wr_json_compact(text, len, &json) || !wr_str_copy(arena, json.data, json.len, &ret->s);
    } else if (ret->type == WR_REAL) {
        ret->null = !wr_text_to_real(text, len, &ret->r);
    } else if (!wr_type_is_str(ret->type)) {
        ret->null = !wr_text_to_long(text, len, &ret->i);
    }
    wr_buf_fini(&json);
}

/* Letters that stand for several types, as one of them. */
static char plain(char letter)
{
    static const char several[] = "T*BLRN", one[] = "ssblrr";
    const char *at = strchr(several, letter);
    return at && letter ? one[at - several] : letter;
}

static enum wr_type result_of(const char *signature)
{
    static const char letters[] = "bilrdtsgyc";
    const char *at = strchr(letters, signature[strlen(signature) - 1]);
    return at ? (enum wr_type)(at - letters) : WR_STRING;
}

static void check(const struct wr_ex *call, const struct wr_vec *out)
{
    if (!out || !wr_vec_valid(out, 0) || !out->s)
        return;
    const char *p = wr_str_data(&out->s[0]);
    if (call->type == WR_DYNAMIC)
        WR_ASSERT(wr_json_end(p, p + out->s[0].len, 0) == p + out->s[0].len);
}

static void run(const struct wr_fn *fn, const char *text, size_t len, struct wr_arena *arena)
{
    struct wr_ex ex[ARGS_MAX] = {0}, *args[ARGS_MAX];
    struct wr_ex call = {
        .kind = WR_EX_CALL, .type = result_of(fn->signature), .fn = fn, .args = args};
    for (const char *s = fn->signature; *s && *s != ':' && call.nargs < ARGS_MAX; s++) {
        if (strchr("(+)?", *s))
            continue;
        const char *stop = len ? memchr(text, '\0', len) : NULL;
        size_t n = stop ? (size_t)(stop - text) : len;
        struct wr_ex *arg = &ex[call.nargs];
        value_of(plain(*s), text, n, arena, &arg->value);
        arg->kind = WR_EX_CONST;
        arg->type = arg->value.type;
        args[call.nargs++] = arg;
        text += n + (stop != NULL);
        len -= n + (stop != NULL);
    }
    const char *why = NULL;
    if (fn->prepare)
        call.prepared = fn->prepare(arena, &call, &why);
    if (why)
        return; /* refused at bind time */
    struct wr_eval ev = {.arena = arena, .now = INT64_C(638000000000000000), .nrows = 1};
    uint16_t row = 0;
    struct wr_sel sel = {&row, 1};
    check(&call, wr_ex_eval(&ev, &call, NULL, &sel));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t n;
    const struct wr_fn *fns = wr_fn_all(&n);
    struct wr_arena *arena = size > 2 && size < 65536 ? wr_arena_new(4096) : NULL;
    if (!arena)
        return 0;
    const uint8_t *nul = memchr(data, 0, size < 64 ? size : 64);
    size_t len = nul ? (size_t)(nul - data) : 0;
    const struct wr_fn *fn = len ? wr_fn_find((const char *)data, len) : NULL;
    size_t skip = fn ? len + 1 : 2;
    bool named = fn != NULL;
    if (!fn)
        fn = &fns[((uint32_t)data[0] << 8 | data[1]) % n];
    for (; fn; fn = named ? wr_fn_next(fn) : NULL) { /* every overload of a name */
        bool same =
            strchr(fn->signature, 'T') != NULL; /* results of any type are other tests' business */
        if (!same)
            run(fn, (const char *)data + skip, size - skip, arena);
    }
    wr_arena_free(arena);
    return 0;
}
