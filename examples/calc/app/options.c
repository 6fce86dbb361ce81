#include "options.h"

#include <string.h>

static bool parse_action(Options *options, const char *word) {
    static const struct {
        const char *word;
        Action action;
    } actions[] = {{"run", ACTION_RUN}, {"dump", ACTION_DUMP}, {"repl", ACTION_REPL}, {"help", ACTION_HELP}};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(word, actions[i].word) == 0) {
            options->action = actions[i].action;
            return true;
        }
    return false;
}

bool options_parse(Options *options, int count, char **arguments) {
    *options = (Options){.action = ACTION_HELP, .fold = true};
    if (count < 2 || !parse_action(options, arguments[1]))
        return false;
    for (int i = 2; i < count; i++) {
        if (strcmp(arguments[i], "--fold=off") == 0)
            options->fold = false;
        else if (strcmp(arguments[i], "--fold=on") == 0)
            options->fold = true;
        else if (arguments[i][0] != '-' && options->file == NULL)
            options->file = arguments[i];
        else
            return false;
    }
    const bool needs_file = options->action == ACTION_RUN || options->action == ACTION_DUMP;
    return needs_file == (options->file != NULL);
}
