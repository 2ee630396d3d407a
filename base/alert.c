#include "base/alert.h"

#include "base/ticks.h"

void wr_alert_free(struct wr_alert *alert)
{
    if (alert)
        wr_arena_free(alert->arena); /* the alert itself lies in it */
}

void wr_alerts_free(struct wr_alert *list)
{
    while (list) {
        struct wr_alert *next = list->next;
        wr_alert_free(list);
        list = next;
    }
}

static void text_or_null(struct wr_buf *out, const char *key, const char *text)
{
    wr_json_key(out, key);
    if (text)
        wr_json_cstr(out, text);
    else
        wr_buf_str(out, "null");
}

static void time_or_null(struct wr_buf *out, const char *key, int64_t ticks)
{
    wr_json_key(out, key);
    if (!ticks) {
        wr_buf_str(out, "null");
        return;
    }
    wr_buf_char(out, '"');
    wr_ticks_datetime(out, ticks);
    wr_buf_char(out, '"');
}

static void text_list(struct wr_buf *out, const char *key, const char *const *texts, uint32_t n)
{
    wr_json_key(out, key);
    wr_buf_char(out, '[');
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            wr_buf_char(out, ',');
        wr_json_cstr(out, texts[i]);
    }
    wr_buf_char(out, ']');
}

void wr_cell_json(const struct wr_alert_cell *cell, struct wr_buf *out)
{
    if (cell->null && cell->type != WR_STRING) { /* Kusto's string has no null */
        wr_buf_str(out, "null");
        return;
    }
    switch (cell->type) {
    case WR_BOOL:
        wr_buf_str(out, cell->i ? "true" : "false");
        break;
    case WR_INT:
    case WR_LONG:
        wr_buf_i64(out, cell->i);
        break;
    case WR_REAL:
        wr_json_real(out, cell->r);
        break;
    case WR_DATETIME:
        wr_buf_char(out, '"');
        wr_ticks_datetime(out, cell->i);
        wr_buf_char(out, '"');
        break;
    case WR_TIMESPAN:
        wr_buf_char(out, '"');
        wr_ticks_timespan(out, cell->i);
        wr_buf_char(out, '"');
        break;
    case WR_DYNAMIC:
        if (cell->s.len)
            wr_json_raw(out, wr_str_data(&cell->s), cell->s.len);
        else
            wr_buf_str(out, "null");
        break;
    case WR_STRING:
    case WR_GUID:
    case WR_DECIMAL:
    case WR_NTYPES:
        wr_json_str(out, wr_str_data(&cell->s), cell->s.len);
        break;
    }
}

static const char *kind_name(enum wr_alert_kind kind)
{
    switch (kind) {
    case WR_ALERT_RAISED:
        return "raised";
    case WR_ALERT_UPDATED:
        return "updated";
    case WR_ALERT_RESOLVED:
        break;
    }
    return "resolved";
}

/* One line for people: the rule, then the entities' values. Receivers that know one text field show this. */
static void message(const struct wr_alert *alert, struct wr_buf *out)
{
    struct wr_buf text = {0};
    wr_buf_str(&text, alert->title ? alert->title : alert->rule_name ? alert->rule_name : alert->rule_id ? alert->rule_id : "alert");
    if (alert->kind == WR_ALERT_RESOLVED)
        wr_buf_str(&text, " (resolved)");
    for (uint32_t i = 0; i < alert->nentities; i++) {
        const struct wr_alert_cell *cell = &alert->cells[alert->entities[i].cell];
        wr_buf_str(&text, i ? ", " : ": ");
        if (wr_type_is_str(cell->type))
            wr_buf_add(&text, wr_str_data(&cell->s), cell->null ? 0 : cell->s.len);
        else
            wr_cell_json(cell, &text);
    }
    wr_json_key(out, "message");
    wr_json_str(out, text.data ? text.data : "", text.len);
    if (text.err)
        out->err = text.err;
    wr_buf_fini(&text);
}

static void details(const struct wr_alert *alert, struct wr_buf *out)
{
    wr_json_key(out, "details");
    wr_buf_char(out, '{');
    for (uint32_t i = 0; i < alert->ndetails; i++) {
        wr_json_key(out, alert->details[i].key);
        wr_cell_json(&alert->cells[alert->details[i].cell], out);
    }
    wr_buf_char(out, '}');
}

static void entities(const struct wr_alert *alert, struct wr_buf *out)
{
    wr_json_key(out, "entities");
    wr_buf_char(out, '[');
    for (uint32_t i = 0; i < alert->nentities; i++) {
        wr_buf_str(out, i ? ",{" : "{");
        text_or_null(out, "type", alert->entities[i].type);
        text_or_null(out, "identifier", alert->entities[i].identifier);
        const struct wr_alert_cell *cell = &alert->cells[alert->entities[i].cell];
        text_or_null(out, "column", cell->name);
        wr_json_key(out, "value");
        wr_cell_json(cell, out);
        wr_buf_char(out, '}');
    }
    wr_buf_char(out, ']');
}

static void columns(const struct wr_alert *alert, struct wr_buf *out)
{
    wr_json_key(out, "columns");
    wr_buf_char(out, '{');
    for (uint32_t i = 0; i < alert->ncells; i++) {
        wr_json_key(out, alert->cells[i].name);
        wr_cell_json(&alert->cells[i], out);
    }
    wr_buf_char(out, '}');
}

void wr_alert_json(const struct wr_alert *alert, struct wr_buf *out)
{
    wr_buf_char(out, '{');
    text_or_null(out, "alert_id", alert->id);
    wr_json_key(out, "seq");
    wr_buf_i64(out, alert->seq);
    text_or_null(out, "kind", kind_name(alert->kind));
    message(alert, out);
    text_or_null(out, "rule_id", alert->rule_id);
    text_or_null(out, "rule_name", alert->rule_name);
    text_or_null(out, "rule_version", alert->rule_version);
    text_or_null(out, "severity", alert->severity);
    text_or_null(out, "confidence", alert->confidence);
    text_or_null(out, "description", alert->description);
    text_list(out, "tactics", alert->tactics, alert->ntactics);
    text_list(out, "techniques", alert->techniques, alert->ntechniques);
    time_or_null(out, "raised_at", alert->raised_at);
    time_or_null(out, "window_start", alert->window_start);
    time_or_null(out, "window_end", alert->window_end);
    time_or_null(out, "first_seen", alert->first_seen);
    time_or_null(out, "last_seen", alert->last_seen);
    wr_json_key(out, "exact");
    wr_buf_str(out, alert->exact ? "true" : "false");
    columns(alert, out);
    entities(alert, out);
    details(alert, out);
    wr_json_key(out, "samples");
    wr_buf_str(out, alert->samples_json ? alert->samples_json : "[]");
    wr_buf_char(out, '}');
}
