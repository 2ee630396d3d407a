/* Matching of signatures (rules/fn/fn.h says what the letters mean). */
#include "rules/plan/bind.h"

#include <string.h>

enum { MAX_PARAMS = 16 };

struct params {
    char letter[MAX_PARAMS];
    uint32_t n, group,
        ngroup;         /* letter[group .. group + ngroup) may repeat; ngroup 0: nothing does */
    uint32_t noptional; /* of the last ones */
    char result;
};

static void read_signature(const char *s, struct params *p)
{
    *p = (struct params){0};
    uint32_t open = 0;
    for (; *s && *s != ':'; s++) {
        if (*s == '(') {
            open = p->n;
        } else if (*s == ')') {
            p->group = open;
            p->ngroup = p->n - open;
            s++; /* the plus behind it */
        } else if (*s == '+') {
            p->group = p->n - 1;
            p->ngroup = 1;
        } else if (*s == '?') {
            p->noptional++;
        } else {
            WR_ASSERT(p->n < MAX_PARAMS);
            p->letter[p->n++] = *s;
        }
    }
    p->result = *s ? s[1] : '\0';
}

/* Letter of argument `i` of `nargs`; false when that many do not fit. */
static bool fits(const struct params *p, uint32_t nargs)
{
    if (!p->ngroup)
        return nargs <= p->n && nargs + p->noptional >= p->n;
    return nargs >= p->n && (nargs - p->n) % p->ngroup == 0;
}

static char letter_of(const struct params *p, uint32_t nargs, uint32_t i)
{
    if (!p->ngroup || i < p->group)
        return p->letter[i];
    uint32_t suffix = p->n - p->group - p->ngroup;
    if (i >= nargs - suffix)
        return p->letter[p->n - (nargs - i)];
    return p->letter[p->group + (i - p->group) % p->ngroup];
}

static bool takes_dynamic(char letter)
{
    return letter == 'B' || letter == 'L' || letter == 'R';
}

static enum wr_type type_of(char letter)
{
    static const char letters[] = "bilrdtsgyc"; /* in the order of enum wr_type */
    if (takes_dynamic(letter))
        return letter == 'B' ? WR_BOOL : letter == 'L' ? WR_LONG : WR_REAL;
    const char *at = strchr(letters, letter);
    WR_ASSERT(at && *at);
    return (enum wr_type)(at - letters);
}

static int rank(enum wr_type t)
{
    return t == WR_INT ? 1 : t == WR_LONG ? 2 : t == WR_REAL ? 3 : t == WR_DECIMAL ? 4 : 0;
}

static bool is_null_const(const struct wr_ex *ex)
{
    return ex->kind == WR_EX_CONST && ex->value.null;
}

/* What it costs to make an argument a `to`; UINT32_MAX: it cannot be. */
static uint32_t cost_of(const struct wr_ex *arg, enum wr_type to, bool from_dynamic)
{
    enum wr_type from = arg->type;
    if (from == to)
        return 0;
    if (rank(from) && rank(from) < rank(to))
        return (uint32_t)(rank(to) - rank(from));
    if (from == WR_DECIMAL && to == WR_REAL)
        return 8; /* sqrt() and its like know reals only */
    if (is_null_const(arg) && from == WR_DYNAMIC)
        return 4;
    if (from == WR_DYNAMIC)
        return to == WR_STRING ? 10 : from_dynamic ? 12 : UINT32_MAX;
    return UINT32_MAX;
}

/* The type that both become; WR_NTYPES: none. */
static enum wr_type unify(enum wr_type a, enum wr_type b)
{
    if (a == b)
        return a;
    if (rank(a) && rank(b))
        return rank(a) > rank(b) ? a : b;
    if ((a == WR_STRING && b == WR_DYNAMIC) || (a == WR_DYNAMIC && b == WR_STRING))
        return WR_STRING;
    return WR_NTYPES;
}

static bool bends_to_int(const struct wr_ex *ex)
{
    return ex->kind == WR_EX_CONST && ex->type == WR_LONG && !ex->value.null &&
           ex->value.i >= INT32_MIN && ex->value.i <= INT32_MAX;
}

/* The T of this call. */
static enum wr_type common_type(const struct params *p, struct wr_ex *const *args, uint32_t nargs,
                                bool bend)
{
    enum wr_type t = WR_NTYPES;
    bool all_bend = bend, has_int = false;
    for (uint32_t i = 0; i < nargs; i++) {
        if (letter_of(p, nargs, i) != 'T')
            continue;
        t = t == WR_NTYPES ? args[i]->type : unify(t, args[i]->type);
        if (t == WR_NTYPES)
            return t;
        has_int |= args[i]->type == WR_INT && args[i]->kind != WR_EX_CONST;
        all_bend &= args[i]->type == WR_INT || bends_to_int(args[i]);
    }
    return all_bend && has_int ? WR_INT : t;
}

bool wr_signature_match(const char *signature, struct wr_ex *const *args, uint32_t nargs,
                        bool literals_bend, enum wr_type *want, struct wr_match *ret)
{
    struct params p;
    read_signature(signature, &p);
    if (!fits(&p, nargs))
        return false;
    enum wr_type t = common_type(&p, args, nargs, literals_bend);
    uint32_t cost = 0;
    for (uint32_t i = 0; i < nargs; i++) {
        char letter = letter_of(&p, nargs, i);
        uint32_t c = 1;
        want[i] = args[i]->type;
        if (letter == 'N') {
            if (!rank(args[i]->type) && args[i]->type != WR_DYNAMIC)
                return false;
        } else if (letter != '*') {
            want[i] = letter == 'T' ? t : type_of(letter);
            if (want[i] == WR_NTYPES)
                return false;
            c = literals_bend && want[i] == WR_INT && bends_to_int(args[i]) ? 0 : cost_of(args[i], want[i], takes_dynamic(letter));
        }
        if (c == UINT32_MAX)
            return false;
        cost += c;
    }
    ret->cost = cost;
    ret->want = want;
    ret->result = p.result == 'T' ? t : type_of(p.result);
    return true;
}
