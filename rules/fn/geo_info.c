/* geo_info_from_ip_address(): country, state, city, latitude, longitude from the database that the
 * program was given; null for what is no address or not in it. Source: Kusto
 * "geo_info_from_ip_address()". */
#include "rules/fn/geo.h"
#include "rules/fn/json.h"
#include "rules/fn/kernel.h"

#include <arpa/inet.h>
#include <string.h>

static void member(struct wr_buf *out, const char *key, const char *text, uint32_t len)
{
    wr_json_key(out, key);
    wr_json_str(out, text ? text : "", text ? len : 0);
}

static int address(const struct wr_str *s, uint8_t out[16])
{
    char text[64];
    if (!s->len || s->len >= sizeof text)
        return 0;
    memcpy(text, wr_str_data(s), s->len);
    text[s->len] = '\0';
    if (inet_pton(AF_INET, text, out) == 1)
        return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 6 : 0;
}

void wr_k_geo_info(struct wr_eval *ev, const struct wr_ex *call, const struct wr_vec *args,
                   const struct wr_sel *sel, struct wr_vec *out)
{
    const struct wr_geo *geo = call->prepared;
    struct wr_buf text = {0};
    WR_EACH(sel, row)
    {
        struct wr_geo_info info;
        uint8_t addr[16];
        int family = geo ? address(&args[0].s[row], addr) : 0;
        if (!family || !geo->find(geo, family, addr, &info))
            continue;
        wr_buf_reset(&text);
        wr_buf_char(&text, '{');
        member(&text, "country", info.country, info.country_len);
        member(&text, "state", info.state, info.state_len);
        member(&text, "city", info.city, info.city_len);
        if (info.has_place) {
            wr_json_key(&text, "latitude");
            wr_json_real(&text, info.latitude);
            wr_json_key(&text, "longitude");
            wr_json_real(&text, info.longitude);
        }
        wr_buf_char(&text, '}');
        if (!text.err)
            wr_put_text(ev, out, row, text.data, text.len);
    }
    if (text.err)
        ev->err = WR_ENOMEM;
    wr_buf_fini(&text);
}
