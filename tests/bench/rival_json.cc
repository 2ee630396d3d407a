/* bench_log's rival: simdjson's DOM parser, which reads the ten columns of a Defender record that a mail rule wants. */
#include <simdjson.h>

extern "C" size_t rival_json(const char *text, size_t len);

/* Bytes and numbers that were read, so that nothing is left out; 0: the text is broken. */
extern "C" size_t rival_json(const char *text, size_t len)
{
    static simdjson::dom::parser parser;
    static const char *const texts[] = {"Timestamp", "DeviceName", "ActionType", "RemoteIP", "LocalIP", "Protocol",
                                        "InitiatingProcessFileName", "InitiatingProcessAccountName"};
    simdjson::dom::element all, properties;
    if (parser.parse(text, len).get(all) || all["properties"].get(properties))
        return 0;
    size_t sum = 0;
    for (const char *name : texts) {
        std::string_view value;
        if (properties[name].get(value))
            return 0;
        sum += value.size();
    }
    uint64_t remote, local;
    if (properties["RemotePort"].get(remote) || properties["LocalPort"].get(local))
        return 0;
    return sum + remote + local;
}
