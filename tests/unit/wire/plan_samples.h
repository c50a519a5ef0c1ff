/* A namespace's part of a plan with everything that can stand in it, for the tests of common/wire. */
#ifndef NJ_TEST_WIRE_PLAN_SAMPLES_H
#define NJ_TEST_WIRE_PLAN_SAMPLES_H

#include "common/wire/plan.h"

static inline struct nj_plan_namespace sample_plan_namespace(void)
{
    static const struct nj_plan_pair selector[] = {{"app", "cart"}, {"tier", ""}};
    static const struct nj_plan_pair secrets[] = {{"password", "p\xc3\xa4ss"}, {"token", NULL}};
    static const struct nj_plan_port ports[] = {
        {.name = "http", .number = 80, .target_name = "web", .app_protocol = "http"},
        {.number = 65535, .target_number = 65535},
    };
    static const char *const families[] = {"IPv4", "IPv6"};
    static const struct nj_plan_check checks[] = {
        {
            .monitor = "apimonitor.shop.cart",
            .source = NJ_SOURCE_MONITOR,
            .service = "cart",
            .selector = selector,
            .selector_count = 2,
            .ports = ports,
            .ports_count = 2,
            .spec = "{\"interval\":\"10s\"}",
            .secrets = secrets,
            .secrets_count = 2,
            .ca_pem = "-----BEGIN CERTIFICATE-----\n",
            .families = families,
            .families_count = 2,
            .trouble = "Secret shop/cart may not be read",
        },
        {
            .monitor = "service.shop.web",
            .source = NJ_SOURCE_DERIVED,
            .service = "web",
            .selector = selector,
            .selector_count = 1,
        },
    };
    return (struct nj_plan_namespace){.name = "shop", .checks = checks, .checks_count = 2};
}

#endif
