#ifndef WR_COLLECTOR_CLI_OUTPUT_H
#define WR_COLLECTOR_CLI_OUTPUT_H

#include "base/batch.h"
#include "collector/cli/out.h"
#include "rules/rules.h"

/* A query's result as text. Cells: null is JSON null (strings have none), bool true or false, int and long
 * numbers, real a number or "NaN", "Infinity", "-Infinity", datetime `2026-01-05T08:12:13.6006160Z`, timespan
 * `[-][d.]hh:mm:ss[.fffffff]`, decimal and guid text, dynamic the JSON value that it is.
 *
 *   json   {"columns":[{"name":..,"type":..}],"rows":[[..],[..]]}
 *   jsonl  one object a row: {"column":cell,..}
 *   csv    RFC 4180: a header line, CRLF, quotes where needed; null is an empty field
 *   table  for people: aligned, null blank, nothing in it that a terminal would act on */
enum wr_format { WR_FORMAT_JSON, WR_FORMAT_JSONL, WR_FORMAT_CSV, WR_FORMAT_TABLE };
extern const char *const wr_format_names[]; /* in the order of the enum, NULL at the end */

/* Stops early when nobody reads on; wr_out_fini tells. WR_ENOMEM. */
enum wr_err wr_output_result(const struct wr_result *result, enum wr_format format,
                             struct wr_out *out) WR_MUST_CHECK;

#endif
