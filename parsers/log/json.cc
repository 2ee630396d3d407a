#include "parsers/log/json.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <simdjson.h>
#include <string>
#include <type_traits>

using namespace simdjson;

struct wr_json {
    dom::parser parser, inner;
    char *buf = nullptr; /* the text with simdjson's padding behind it */
    size_t cap = 0;
    std::string text;
    ~wr_json()
    {
        std::free(buf);
    }
};

/* An element is a pointer to its document and an index: two words that C may hold. */
static_assert(sizeof(dom::element) == sizeof(uintptr_t[2]) && std::is_trivially_copyable<dom::element>::value,
              "");
static_assert(sizeof(dom::object::iterator) == sizeof(uintptr_t[2]), "");
static_assert(sizeof(dom::array::iterator) == sizeof(uintptr_t[2]), "");
static_assert(std::is_trivially_copyable<dom::object::iterator>::value, "");
static_assert(std::is_trivially_copyable<dom::array::iterator>::value, "");

template <typename T> static T unpack(const uintptr_t *words)
{
    typename std::aligned_storage<sizeof(T), alignof(T)>::type raw;
    std::memcpy(&raw, words, sizeof raw);
    T out = *reinterpret_cast<T *>(&raw);
    return out;
}

template <typename T> static void pack(uintptr_t *words, const T &value)
{
    std::memcpy(words, &value, sizeof value);
}

static void to_val(const dom::element &e, struct wr_json_val *v)
{
    *v = {};
    switch (e.type()) {
    case dom::element_type::NULL_VALUE:
        v->type = WR_JSON_NULL;
        break;
    case dom::element_type::BOOL:
        v->type = WR_JSON_BOOL;
        v->b = e.get_bool().value_unsafe();
        break;
    case dom::element_type::INT64:
        v->type = WR_JSON_INT;
        v->i = e.get_int64().value_unsafe();
        break;
    case dom::element_type::UINT64:
        v->type = WR_JSON_UINT;
        v->u = e.get_uint64().value_unsafe();
        break;
    case dom::element_type::DOUBLE:
        v->type = WR_JSON_REAL;
        v->r = e.get_double().value_unsafe();
        break;
    case dom::element_type::STRING: {
        std::string_view s = e.get_string().value_unsafe();
        v->type = WR_JSON_STR;
        v->s = s.data();
        v->len = static_cast<uint32_t>(s.size());
        break;
    }
    case dom::element_type::OBJECT:
        v->type = WR_JSON_OBJECT;
        v->len = static_cast<uint32_t>(e.get_object().value_unsafe().size());
        pack(v->node, e);
        break;
    case dom::element_type::ARRAY:
        v->type = WR_JSON_ARRAY;
        v->len = static_cast<uint32_t>(e.get_array().value_unsafe().size());
        pack(v->node, e);
        break;
    }
}

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int d = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
        if (d < 0)
            return -1;
        v = v * 16 + d;
    }
    return v;
}

/* Writes \ufffd over each escape of half a surrogate pair. simdjson 3.0.1 refuses a lone high half and passes
 * a lone low one on as invalid UTF-8; Windows event texts hold both. */
static bool fix_surrogates(char *p, size_t len)
{
    bool fixed = false;
    for (size_t i = 0; i + 1 < len; i++) {
        char *slash = static_cast<char *>(std::memchr(p + i, '\\', len - 1 - i));
        if (!slash)
            break;
        i = static_cast<size_t>(slash - p);
        if (p[i + 1] != 'u' || i + 6 > len) {
            i++;
            continue;
        }
        int u = hex4(p + i + 2);
        if (u < 0xd800 || u > 0xdfff) {
            i += u < 0 ? 1 : 5;
            continue;
        }
        bool pair = u < 0xdc00 && i + 12 <= len && p[i + 6] == '\\' && p[i + 7] == 'u' &&
                    (hex4(p + i + 8) & ~0x3ff) == 0xdc00;
        if (!pair) {
            std::memcpy(p + i + 2, "fffd", 4);
            fixed = true;
        }
        i += pair ? 11 : 5;
    }
    return fixed;
}

static wr_json_result result_of(error_code err)
{
    if (err == SUCCESS)
        return WR_JSON_OK;
    if (err == DEPTH_ERROR || err == CAPACITY)
        return WR_JSON_LIMIT;
    return err == MEMALLOC ? WR_JSON_NOMEM : WR_JSON_BAD;
}

static bool room(wr_json *json, size_t len)
{
    size_t need = len + SIMDJSON_PADDING;
    if (need <= json->cap)
        return true;
    size_t cap = need < 16384 ? 16384 : need + need / 2;
    char *p = static_cast<char *>(std::realloc(json->buf, cap));
    if (!p)
        return false;
    json->buf = p;
    json->cap = cap;
    return true;
}

/* simdjson's depth is fixed when its stacks are allocated, so they are made here and grown by size alone. */
static error_code parse_into(dom::parser &parser, const char *buf, size_t len, dom::element *ret)
{
    if (parser.capacity() < len || parser.max_depth() != WR_JSON_MAX_DEPTH) {
        error_code err = parser.allocate(len < 16384 ? 16384 : len + len / 2, WR_JSON_MAX_DEPTH);
        if (err)
            return err;
    }
    return parser.parse(buf, len, false).get(*ret);
}

extern "C" struct wr_json *wr_json_new(void)
{
    return new (std::nothrow) wr_json;
}

extern "C" void wr_json_free(struct wr_json *json)
{
    delete json;
}

extern "C" enum wr_json_result wr_json_parse(struct wr_json *json, const char *data, size_t len,
                                             struct wr_json_val *ret_root, bool *ret_repaired)
try {
    if (!room(json, len))
        return WR_JSON_NOMEM;
    std::memcpy(json->buf, data, len);
    std::memset(json->buf + len, 0, SIMDJSON_PADDING);
    *ret_repaired = fix_surrogates(json->buf, len);
    dom::element root;
    error_code err = parse_into(json->parser, json->buf, len, &root);
    if (err == SUCCESS)
        to_val(root, ret_root);
    return result_of(err);
} catch (...) {
    return WR_JSON_NOMEM;
}

extern "C" struct wr_json_iter wr_json_begin(const struct wr_json_val *container)
{
    struct wr_json_iter iter = {};
    dom::element e = unpack<dom::element>(container->node);
    iter.object = container->type == WR_JSON_OBJECT;
    if (iter.object) {
        dom::object o = e.get_object().value_unsafe();
        pack(iter.at, o.begin());
        pack(iter.end, o.end());
    } else {
        dom::array a = e.get_array().value_unsafe();
        pack(iter.at, a.begin());
        pack(iter.end, a.end());
    }
    return iter;
}

extern "C" bool wr_json_iter_next(struct wr_json_iter *iter, const char **ret_key, size_t *ret_key_len,
                             struct wr_json_val *ret_value)
{
    if (!std::memcmp(iter->at, iter->end, sizeof iter->at))
        return false;
    if (iter->object) {
        auto at = unpack<dom::object::iterator>(iter->at);
        std::string_view key = at.key();
        *ret_key = key.data();
        *ret_key_len = key.size();
        to_val(at.value(), ret_value);
        pack(iter->at, ++at);
    } else {
        auto at = unpack<dom::array::iterator>(iter->at);
        *ret_key = nullptr;
        *ret_key_len = 0;
        to_val(*at, ret_value);
        pack(iter->at, ++at);
    }
    return true;
}

extern "C" bool wr_json_text(struct wr_json *json, const struct wr_json_val *value, const char **ret,
                             size_t *ret_len)
try {
    if (value->type != WR_JSON_OBJECT && value->type != WR_JSON_ARRAY)
        return false;
    json->text = simdjson::minify(unpack<dom::element>(value->node));
    *ret = json->text.data();
    *ret_len = json->text.size();
    return true;
} catch (...) {
    return false;
}

extern "C" bool wr_json_minify(struct wr_json *json, const char *text, size_t len, const char **ret,
                                size_t *ret_len)
try {
    std::string padded(text, len);
    padded.append(SIMDJSON_PADDING, '\0');
    dom::element root;
    if (parse_into(json->inner, padded.data(), len, &root) || (!root.is_object() && !root.is_array()))
        return false;
    json->text = simdjson::minify(root);
    *ret = json->text.data();
    *ret_len = json->text.size();
    return true;
} catch (...) {
    return false;
}
