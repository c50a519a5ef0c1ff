#include "common/base/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/config_value.h"
#include "common/base/str.h"

enum {
    HELP_COLUMN = 26, /* where a flag's description starts */
    HELP_END = 100,   /* column behind which it is wrapped */
    SETTING_INDENT = 8,
};

/* The flags that are the same in every program. */
enum common_flag { FLAG_CONFIG, FLAG_CHECK_CONFIG, FLAG_PRINT_CONFIG, FLAG_HELP, FLAG_VERSION, FLAG_COUNT };

static const struct {
    const char *name, *argument, *help;
} common_flags[FLAG_COUNT] = {
    [FLAG_CONFIG] = {"config", "FILE", "read settings from FILE, which is YAML; flags go over it"},
    [FLAG_CHECK_CONFIG] = {"check-config", NULL, "check the settings, say OK or what is wrong, and exit"},
    [FLAG_PRINT_CONFIG] = {"print-config", NULL, "print all settings as YAML, with their defaults, and exit"},
    [FLAG_HELP] = {"help", NULL, "print this text and exit"},
    [FLAG_VERSION] = {"version", NULL, "print the version and exit"},
};

struct parse {
    struct nj_cli *cli;
    bool check, print;
    int argc;
    char **argv;
    int at; /* index of the next argument */
};

/* Appends text wrapped between words, from column `column` on, further lines indented by `indent`. */
static void append_wrapped(struct nj_buf *out, const char *text, int column, int indent)
{
    bool first = true;
    while (*text != '\0') {
        int word = (int)strcspn(text, " ");
        if (!first && column + 1 + word > HELP_END) {
            (void)nj_buf_printf(out, "\n%*s", indent, "");
            column = indent;
            first = true;
        }
        (void)nj_buf_printf(out, "%s%.*s", first ? "" : " ", word, text);
        column += word + (first ? 0 : 1);
        first = false;
        text += word;
        text += strspn(text, " ");
    }
    (void)nj_buf_append_char(out, '\n');
}

static void append_flag(struct nj_buf *out, const char *name, const char *argument, const char *help)
{
    size_t start = out->len;
    (void)nj_buf_printf(out, "  --%s%s%s", name, argument == NULL ? "" : " ", nj_str(argument));
    int column = (int)(out->len - start);
    if (column + 2 > HELP_COLUMN) {
        (void)nj_buf_append_char(out, '\n');
        column = 0;
    }
    (void)nj_buf_printf(out, "%*s", HELP_COLUMN - column, "");
    append_wrapped(out, help, HELP_COLUMN, HELP_COLUMN);
}

/* Of a list's entry nothing can be a flag. */
static void append_setting(struct nj_buf *out, const struct nj_config_field *field, const char *prefix,
                           bool in_entry)
{
    bool in_file_only = field->type == NJ_CONFIG_LIST || field->type == NJ_CONFIG_MAP;
    struct nj_buf text = {0};
    (void)nj_buf_append_str(&text, nj_str(field->help));
    (void)nj_buf_append_str(&text, text.len > 0 ? " (" : "(");
    nj_config_append_type(&text, field);
    if (nj_str(field->fallback)[0] != '\0')
        (void)nj_buf_printf(&text, "; default %s", field->fallback);
    (void)nj_buf_append_str(&text, in_file_only && !in_entry ? "; in the file only)" : ")");
    (void)nj_buf_printf(out, "  %s%s%s\n%*s", in_file_only || in_entry ? "" : "--", prefix, field->key,
                        SETTING_INDENT, "");
    append_wrapped(out, nj_buf_str(&text), SETTING_INDENT, SETTING_INDENT);
    nj_buf_done(&text);
}

static void append_settings(struct nj_buf *out, const struct nj_config_field *fields, const char *prefix,
                            bool in_entry)
{
    for (const struct nj_config_field *field = fields; field->key != NULL; field++) {
        if (field->type == NJ_CONFIG_SECTION) {
            NJ_CLEANUP_FREE char *inner = nj_asprintf("%s%s.", prefix, field->key);
            append_settings(out, field->fields, inner, in_entry);
            continue;
        }
        append_setting(out, field, prefix, in_entry);
        if (field->type == NJ_CONFIG_LIST) {
            NJ_CLEANUP_FREE char *inner = nj_asprintf("%s%s[].", prefix, field->key);
            append_settings(out, field->fields, inner, true);
        }
    }
}

static enum nj_cli_action answer_written(struct nj_cli *cli, bool written)
{
    cli->status = written ? NJ_CLI_OK : NJ_CLI_IO;
    if (!written)
        (void)fprintf(stderr, "%s: cannot write to standard output\n", cli->program);
    return NJ_CLI_EXIT;
}

/* Writes an answer to stdout; the status is 0 only when all of it could be written. */
static enum nj_cli_action answer(struct nj_cli *cli, const char *text)
{
    return answer_written(cli, fputs(text, stdout) != EOF && fflush(stdout) != EOF);
}

static enum nj_cli_action answer_help(struct nj_cli *cli)
{
    struct nj_buf out = {0};
    (void)nj_buf_printf(&out, "Usage: %s [OPTION]...\n%s\n\n", cli->program, nj_str(cli->summary));
    for (int i = 0; i < FLAG_COUNT; i++)
        append_flag(&out, common_flags[i].name, common_flags[i].argument, common_flags[i].help);
    for (const struct nj_cli_extra *extra = cli->extras; extra != NULL && extra->name != NULL; extra++)
        append_flag(&out, extra->name, extra->argument, nj_str(extra->help));
    (void)nj_buf_append_str(&out,
                            "\nSettings, each as --KEY=VALUE or as KEY in the file, where a dot leads into a "
                            "section:\n");
    append_settings(&out, cli->table, "", false);
    (void)nj_buf_printf(
        &out, "\nExit status: 0 after a clean stop, %d for a wrong command line, %d for wrong settings.\n",
        NJ_CLI_USAGE, NJ_CLI_CONFIG);
    enum nj_cli_action action = answer(cli, nj_buf_str(&out));
    nj_buf_done(&out);
    return action;
}

static enum nj_cli_action answer_version(struct nj_cli *cli)
{
    NJ_CLEANUP_FREE char *text = nj_asprintf("%s %s\n", cli->program, NJ_VERSION);
    return answer(cli, text);
}

static enum nj_cli_action usage_error(struct nj_cli *cli, const char *text)
{
    (void)fprintf(stderr, "%s: %s\nTry '%s --help'.\n", cli->program, text, cli->program);
    cli->status = NJ_CLI_USAGE;
    return NJ_CLI_EXIT;
}

/* Appends "; did you mean --X?" when a flag or a setting is named nearly so. */
static void append_hint(struct nj_buf *out, const struct nj_cli *cli, const char *name)
{
    static const char prefix[] = "; did you mean --";
    size_t extras = 0;
    while (cli->extras != NULL && cli->extras[extras].name != NULL)
        extras++;
    struct nj_config_field *flags = nj_calloc(FLAG_COUNT + extras + 1, sizeof(*flags));
    for (size_t i = 0; i < FLAG_COUNT + extras; i++)
        flags[i].key = i < FLAG_COUNT ? common_flags[i].name : cli->extras[i - FLAG_COUNT].name;
    size_t before = out->len;
    nj_config_append_nearest(out, prefix, flags, name);
    if (out->len == before)
        nj_config_append_nearest(out, prefix, cli->table, name);
    if (out->len > before)
        (void)nj_buf_append_char(out, '?');
    free(flags);
}

static enum nj_cli_action unknown_flag(struct nj_cli *cli, const char *name)
{
    char shown[NJ_CONFIG_SHOWN_MAX];
    struct nj_buf text = {0};
    (void)nj_buf_printf(&text, "unknown flag --%s", nj_config_shown(name, shown));
    append_hint(&text, cli, name);
    enum nj_cli_action action = usage_error(cli, nj_buf_str(&text));
    nj_buf_done(&text);
    return action;
}

static enum nj_cli_action check_or_print(const struct parse *parse)
{
    struct nj_cli *cli = parse->cli;
    struct nj_err err = {0};
    if (cli->config_size == 0) {
        fputs("nightjar: nj_cli.config_size is not set\n", stderr);
        abort();
    }
    void *config = nj_calloc(1, cli->config_size);
    int rc = nj_config_load(cli->table, cli->config_path, cli->flags, cli->flags_count, config, &err);
    if (rc == 0 && cli->check != NULL) {
        rc = cli->check(config, &err);
        if (rc < 0 && cli->config_path != NULL)
            (void)nj_err_wrap(&err, "%s", cli->config_path);
    }
    if (rc < 0) {
        (void)fprintf(stderr, "%s: %s\n", cli->program, err.text);
        cli->status = NJ_CLI_CONFIG;
    } else if (parse->print) {
        bool written = nj_config_print(cli->table, config, stdout) == 0;
        (void)answer_written(cli, written);
    } else {
        NJ_CLEANUP_FREE char *text =
            nj_asprintf("OK: %s\n", cli->config_path == NULL ? "defaults and flags" : cli->config_path);
        (void)answer(cli, text);
    }
    nj_config_done(cli->table, config);
    free(config);
    return NJ_CLI_EXIT;
}

/* The value of a flag: behind '=', or the next argument; NULL when there is none. */
static const char *take_value(struct parse *parse, const char *behind_equals)
{
    if (behind_equals != NULL)
        return behind_equals;
    return parse->at < parse->argc ? parse->argv[parse->at++] : NULL;
}

static enum nj_cli_action parse_setting(struct parse *parse, const char *name, const char *behind_equals)
{
    struct nj_cli *cli = parse->cli;
    size_t offset;
    const struct nj_config_field *field = nj_config_find(cli->table, name, &offset);
    if (field == NULL)
        return unknown_flag(cli, name);
    char shown[NJ_CONFIG_SHOWN_MAX];
    (void)nj_config_shown(name, shown);
    if (!nj_config_is_scalar(field) && field->type != NJ_CONFIG_STRING_LIST) {
        NJ_CLEANUP_FREE char *text = nj_asprintf(
            "--%s: can be set in the configuration file only%s", shown,
            field->type == NJ_CONFIG_SECTION ? "; it is a section, its settings have flags of their own"
                                             : "");
        return usage_error(cli, text);
    }
    const char *value = take_value(parse, behind_equals);
    if (value == NULL) {
        NJ_CLEANUP_FREE char *text = nj_asprintf("--%s needs a value", shown);
        return usage_error(cli, text);
    }
    cli->flags[cli->flags_count++] = (struct nj_config_flag){.key = nj_strdup(name), .value = value};
    return NJ_CLI_RUN;
}

static struct nj_cli_extra *find_extra(const struct nj_cli *cli, const char *name)
{
    for (struct nj_cli_extra *extra = cli->extras; extra != NULL && extra->name != NULL; extra++) {
        if (strcmp(extra->name, name) == 0)
            return extra;
    }
    return NULL;
}

/* `argument` is NULL for a flag without one, which gets its own name as the value. NJ_CLI_RUN with
 * *ret_value, or NJ_CLI_EXIT. */
static enum nj_cli_action parse_own_flag(struct parse *parse, const char *name, const char *argument,
                                         const char *behind_equals, const char **ret_value)
{
    const char *value = argument == NULL ? name : take_value(parse, behind_equals);
    if (value != NULL && (argument != NULL || behind_equals == NULL)) {
        *ret_value = value;
        return NJ_CLI_RUN;
    }
    NJ_CLEANUP_FREE char *text = argument == NULL ? nj_asprintf("--%s takes no value", name)
                                                  : nj_asprintf("--%s needs a value: %s", name, argument);
    return usage_error(parse->cli, text);
}

static enum nj_cli_action parse_common_flag(struct parse *parse, enum common_flag flag,
                                            const char *behind_equals)
{
    const char *value = NULL;
    if (parse_own_flag(parse, common_flags[flag].name, common_flags[flag].argument, behind_equals, &value) ==
        NJ_CLI_EXIT)
        return NJ_CLI_EXIT;
    if (flag == FLAG_HELP)
        return answer_help(parse->cli);
    if (flag == FLAG_VERSION)
        return answer_version(parse->cli);
    if (flag == FLAG_CONFIG)
        parse->cli->config_path = value;
    parse->check = parse->check || flag == FLAG_CHECK_CONFIG;
    parse->print = parse->print || flag == FLAG_PRINT_CONFIG;
    return NJ_CLI_RUN;
}

static enum nj_cli_action parse_flag(struct parse *parse, const char *name, const char *behind_equals)
{
    struct nj_cli_extra *extra = find_extra(parse->cli, name);
    if (extra != NULL)
        return parse_own_flag(parse, extra->name, extra->argument, behind_equals, &extra->value);
    for (enum common_flag flag = 0; flag < FLAG_COUNT; flag++) {
        if (strcmp(common_flags[flag].name, name) == 0)
            return parse_common_flag(parse, flag, behind_equals);
    }
    return parse_setting(parse, name, behind_equals);
}

static enum nj_cli_action parse_argument(struct parse *parse, const char *argument)
{
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
        char shown[NJ_CONFIG_SHOWN_MAX];
        NJ_CLEANUP_FREE char *text =
            nj_asprintf("unexpected argument '%s'", nj_config_shown(argument, shown));
        return usage_error(parse->cli, text);
    }
    const char *equals = strchr(argument, '=');
    NJ_CLEANUP_FREE char *name =
        equals == NULL ? nj_strdup(argument + 2) : nj_strndup(argument + 2, (size_t)(equals - argument - 2));
    return parse_flag(parse, name, equals == NULL ? NULL : equals + 1);
}

enum nj_cli_action nj_cli_parse(struct nj_cli *cli, int argc, char **argv)
{
    struct parse parse = {.cli = cli, .argc = argc, .argv = argv, .at = 1};
    cli->config_path = NULL;
    cli->flags = nj_calloc((size_t)argc + 1, sizeof(*cli->flags));
    cli->flags_count = 0;
    cli->status = NJ_CLI_OK;
    while (parse.at < argc) {
        if (parse_argument(&parse, argv[parse.at++]) == NJ_CLI_EXIT)
            return NJ_CLI_EXIT;
    }
    return parse.check || parse.print ? check_or_print(&parse) : NJ_CLI_RUN;
}

void nj_cli_done(struct nj_cli *cli)
{
    for (size_t i = 0; i < cli->flags_count; i++)
        free((void *)cli->flags[i].key);
    free(cli->flags);
    cli->flags = NULL;
    cli->flags_count = 0;
}
