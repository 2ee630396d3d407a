/* Columns of Microsoft's tables of indicators, so that a file for one needs no list of its columns. Source: Azure Monitor Logs
 * reference, ThreatIntelligenceIndicator and ThreatIntelIndicators, 2024-07. */
#include "rules/refdata/refdata.h"

#include <string.h>

static const struct wr_list_col indicator[] = {
    {"Action", WR_STRING},
    {"Active", WR_BOOL},
    {"ActivityGroupNames", WR_STRING},
    {"AdditionalInformation", WR_STRING},
    {"ConfidenceScore", WR_REAL},
    {"Description", WR_STRING},
    {"DiamondModel", WR_STRING},
    {"DomainName", WR_STRING},
    {"EmailEncoding", WR_STRING},
    {"EmailLanguage", WR_STRING},
    {"EmailRecipient", WR_STRING},
    {"EmailSenderAddress", WR_STRING},
    {"EmailSenderName", WR_STRING},
    {"EmailSourceDomain", WR_STRING},
    {"EmailSourceIpAddress", WR_STRING},
    {"EmailSubject", WR_STRING},
    {"EmailXMailer", WR_STRING},
    {"ExpirationDateTime", WR_DATETIME},
    {"ExternalIndicatorId", WR_STRING},
    {"FileCompileDateTime", WR_DATETIME},
    {"FileCreatedDateTime", WR_DATETIME},
    {"FileHashType", WR_STRING},
    {"FileHashValue", WR_STRING},
    {"FileMutexName", WR_STRING},
    {"FileName", WR_STRING},
    {"FilePacker", WR_STRING},
    {"FilePath", WR_STRING},
    {"FileSize", WR_INT},
    {"FileType", WR_STRING},
    {"IndicatorId", WR_STRING},
    {"IndicatorProvider", WR_STRING},
    {"KillChainActions", WR_BOOL},
    {"KillChainC2", WR_BOOL},
    {"KillChainDelivery", WR_BOOL},
    {"KillChainExploitation", WR_BOOL},
    {"KillChainReconnaissance", WR_BOOL},
    {"KillChainWeaponization", WR_BOOL},
    {"KnownFalsePositives", WR_STRING},
    {"MalwareNames", WR_STRING},
    {"NetworkCidrBlock", WR_STRING},
    {"NetworkDestinationAsn", WR_INT},
    {"NetworkDestinationCidrBlock", WR_STRING},
    {"NetworkDestinationIP", WR_STRING},
    {"NetworkDestinationPort", WR_INT},
    {"NetworkIP", WR_STRING},
    {"NetworkPort", WR_INT},
    {"NetworkProtocol", WR_INT},
    {"NetworkSourceAsn", WR_INT},
    {"NetworkSourceCidrBlock", WR_STRING},
    {"NetworkSourceIP", WR_STRING},
    {"NetworkSourcePort", WR_INT},
    {"PassiveOnly", WR_BOOL},
    {"SourceSystem", WR_STRING},
    {"Tags", WR_STRING},
    {"TenantId", WR_STRING},
    {"ThreatSeverity", WR_INT},
    {"ThreatType", WR_STRING},
    {"TimeGenerated", WR_DATETIME},
    {"TrafficLightProtocolLevel", WR_STRING},
    {"Type", WR_STRING},
    {"Url", WR_STRING},
    {"UserAgent", WR_STRING},
};

static const struct wr_list_col indicators[] = {
    {"AdditionalFields", WR_DYNAMIC}, {"AzureTenantId", WR_STRING},   {"Confidence", WR_INT},
    {"Created", WR_DATETIME},         {"Data", WR_DYNAMIC},           {"Id", WR_STRING},
    {"IsActive", WR_BOOL},            {"IsDeleted", WR_BOOL},         {"LastUpdateMethod", WR_STRING},
    {"Modified", WR_DATETIME},        {"ObservableKey", WR_STRING},   {"ObservableValue", WR_STRING},
    {"Pattern", WR_STRING},           {"Revoked", WR_BOOL},           {"Source", WR_STRING},
    {"SourceSystem", WR_STRING},      {"Tags", WR_STRING},            {"TenantId", WR_STRING},
    {"TimeGenerated", WR_DATETIME},   {"Type", WR_STRING},            {"ValidFrom", WR_DATETIME},
    {"ValidUntil", WR_DATETIME},      {"WorkspaceId", WR_STRING},
};

const struct wr_list_col *wr_refdata_known(const char *table, uint32_t *ret_n)
{
    static const struct {
        const char *table;
        const struct wr_list_col *cols;
        uint32_t n;
    } known[] = {{"ThreatIntelligenceIndicator", indicator, sizeof indicator / sizeof *indicator},
                 {"ThreatIntelIndicators", indicators, sizeof indicators / sizeof *indicators}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].table, table) == 0) {
            *ret_n = known[i].n;
            return known[i].cols;
        }
    *ret_n = 0;
    return NULL;
}
