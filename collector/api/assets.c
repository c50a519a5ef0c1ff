#include "collector/api/internal.h"
#include "common/base/str.h"

#define ASSET(name)                                                                                          \
    extern const unsigned char nj_asset_##name[];                                                            \
    extern const size_t nj_asset_##name##_len;
ASSET(openapi)
ASSET(index)
ASSET(app)
ASSET(care)
ASSET(chart)
ASSET(elements)
ASSET(incident)
ASSET(incidents)
ASSET(matchers)
ASSET(monitor)
ASSET(monitors)
ASSET(node)
ASSET(nodes)
ASSET(resource)
ASSET(resources)
ASSET(rest)
ASSET(service)
ASSET(services)
ASSET(silences)
ASSET(terms)
ASSET(trend)
ASSET(words)
ASSET(style)
ASSET(icon)

#define SCRIPT "text/javascript; charset=utf-8"

static const struct nj_api_asset assets[] = {
    {"/openapi.json", "application/json", nj_asset_openapi, &nj_asset_openapi_len},
    {"/", "text/html; charset=utf-8", nj_asset_index, &nj_asset_index_len},
    {"/app.js", SCRIPT, nj_asset_app, &nj_asset_app_len},
    {"/care.js", SCRIPT, nj_asset_care, &nj_asset_care_len},
    {"/chart.js", SCRIPT, nj_asset_chart, &nj_asset_chart_len},
    {"/elements.js", SCRIPT, nj_asset_elements, &nj_asset_elements_len},
    {"/incident.js", SCRIPT, nj_asset_incident, &nj_asset_incident_len},
    {"/incidents.js", SCRIPT, nj_asset_incidents, &nj_asset_incidents_len},
    {"/matchers.js", SCRIPT, nj_asset_matchers, &nj_asset_matchers_len},
    {"/monitor.js", SCRIPT, nj_asset_monitor, &nj_asset_monitor_len},
    {"/monitors.js", SCRIPT, nj_asset_monitors, &nj_asset_monitors_len},
    {"/node.js", SCRIPT, nj_asset_node, &nj_asset_node_len},
    {"/nodes.js", SCRIPT, nj_asset_nodes, &nj_asset_nodes_len},
    {"/resource.js", SCRIPT, nj_asset_resource, &nj_asset_resource_len},
    {"/resources.js", SCRIPT, nj_asset_resources, &nj_asset_resources_len},
    {"/rest.js", SCRIPT, nj_asset_rest, &nj_asset_rest_len},
    {"/service.js", SCRIPT, nj_asset_service, &nj_asset_service_len},
    {"/services.js", SCRIPT, nj_asset_services, &nj_asset_services_len},
    {"/silences.js", SCRIPT, nj_asset_silences, &nj_asset_silences_len},
    {"/terms.js", SCRIPT, nj_asset_terms, &nj_asset_terms_len},
    {"/trend.js", SCRIPT, nj_asset_trend, &nj_asset_trend_len},
    {"/words.js", SCRIPT, nj_asset_words, &nj_asset_words_len},
    {"/style.css", "text/css; charset=utf-8", nj_asset_style, &nj_asset_style_len},
    {"/icon.svg", "image/svg+xml", nj_asset_icon, &nj_asset_icon_len},
};

const struct nj_api_asset *nj_api_find_asset(const char *path)
{
    for (size_t i = 0; i < sizeof(assets) / sizeof(assets[0]); i++) {
        if (nj_streq(assets[i].path, path))
            return &assets[i];
    }
    return NULL;
}
