#include "collector/cli/args.h"
#include "collector/cli/cli.h"
#include "collector/cli/elemfiles.h"
#include "collector/cli/infile.h"
#include "collector/cli/out.h"

#include <unistd.h>

static const struct wr_opt options[] = {WR_ELEMFILES_OPT('e'), {0}};

static const struct wr_args_spec spec = {
    "decode",
    "[OPTION]... FILE...",
    "Prints every flow record and option record as a JSON line, with IANA's or the vendor's\n"
    "element names. FILE is a capture of NetFlow v5, v9 or IPFIX packets (pcap, pcapng), an\n"
    "IPFIX file, one NetFlow or IPFIX message, or - for standard input. A template counts for\n"
    "the files after its own too; those of an IPFIX file with several messages do not.",
    options,
    "  weir decode router.pcap | jq -c '{sourceIPv4Address, octetDeltaCount}'\n"
    "  tcpdump -w - -c 100 udp port 2055 | weir decode -",
};

static void tell_rejected(const struct wr_flow_stats *stats)
{
#define X(name, text)                                                                                        \
    if (stats->rejected[WR_FLOW_REJECT_##name])                                                              \
        wr_cli_error("rejected %llu: %s", (unsigned long long)stats->rejected[WR_FLOW_REJECT_##name], text);
    WR_FLOW_REJECTS(X)
#undef X
    uint64_t settled = stats->sets_released + stats->sets_dropped;
    if (stats->sets_held > settled)
        wr_cli_error("%llu data sets have no template in the input",
                     (unsigned long long)(stats->sets_held - settled));
    if (stats->sets_dropped)
        wr_cli_error("%llu data sets waited for a template in vain", (unsigned long long)stats->sets_dropped);
}

/* False when it is no file of flow messages. */
static bool decode_input(struct wr_flow_decoder *dec, struct wr_infile *in, struct wr_out *out, int *code)
{
    if (in->kind == WR_INFILE_TEXT || in->kind == WR_INFILE_TRAFFIC) {
        wr_cli_error("%s: %s", in->name,
                     in->kind == WR_INFILE_TEXT
                         ? "is text, not flow messages"
                         : "is a capture of ordinary traffic, with no flow messages in it: "
                           "`weir query` meters it");
        return false;
    }
    struct wr_unit unit;
    while (wr_infile_next(in, &unit)) {
        if (unit.kind != WR_UNIT_MESSAGE)
            continue;
        if (!wr_flow_decode_json(dec, &unit.peer, unit.data, unit.len, unit.time_ns, &out->buf))
            *code = WR_EXIT_FOUND;
        if (!wr_out_spill(out))
            return true;
    }
    if (in->damage.len) {
        wr_cli_error("%s: %.*s", in->name, (int)in->damage.len, in->damage.data);
        *code = WR_EXIT_FOUND;
    }
    if (in->skipped)
        wr_cli_error("%s: %llu packets were neither NetFlow nor IPFIX", in->name,
                     (unsigned long long)in->skipped);
    if (in->capture.malformed)
        wr_cli_error("%s: %llu packets were broken", in->name, (unsigned long long)in->capture.malformed);
    return true;
}

int wr_cmd_decode(int argc, char **argv)
{
    struct wr_args args;
    wr_args_init(&args, &spec, argc, argv);
    struct wr_elemfiles files = {0};
    for (int key; (key = wr_args_next(&args)) != WR_ARGS_END;)
        if (key == WR_ARGS_STOP)
            return args.code;
        else if (!wr_elemfiles_add(&files, args.value))
            return WR_EXIT_USAGE;
    int at = wr_args_operands(&args), code = WR_EXIT_OK;
    if (at == argc)
        return wr_args_mistake(&spec, "no file given");
    struct wr_model *model = wr_elemfiles_load(files.paths, files.n);
    if (!model)
        return WR_EXIT_FOUND;
    struct wr_flow_decoder *dec = wr_flow_decoder_new(&(struct wr_flow_decoder_opts){.model = model});
    if (!dec) {
        wr_cli_error("%s", wr_strerror(WR_ENOMEM));
        wr_model_free(model);
        return WR_EXIT_FOUND;
    }
    struct wr_out out;
    struct wr_buf error = {0};
    wr_out_init(&out, STDOUT_FILENO);
    for (uint64_t session = 1; at < argc && !out.closed; at++, session++) {
        struct wr_infile in;
        wr_buf_reset(&error);
        if (wr_infile_open(&in, argv[at], session, &error)) {
            wr_cli_error("%.*s", (int)error.len, error.len ? error.data : "");
            code = WR_EXIT_FOUND;
            continue;
        }
        if (!decode_input(dec, &in, &out, &code))
            code = WR_EXIT_FOUND;
        wr_infile_close(&in);
    }
    wr_buf_fini(&error);
    if (!out.closed)
        tell_rejected(wr_flow_decoder_stats(dec));
    wr_flow_decoder_free(dec);
    wr_model_free(model);
    return wr_out_fini(&out, code);
}
