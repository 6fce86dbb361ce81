/* Checks for the unit tests. Each test is a program that prints what failed. */
#ifndef TEST_H
#define TEST_H

#include <stdio.h>
#include <string.h>

static int test_failures;

#define CHECK(condition)                                                      \
    do {                                                                      \
        if (!(condition)) {                                                   \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);    \
            test_failures++;                                                  \
        }                                                                     \
    } while (0)

#define CHECK_STRING(actual, wanted)                                                         \
    do {                                                                                     \
        const char *actual_ = (actual), *wanted_ = (wanted);                                 \
        if (strcmp(actual_, wanted_) != 0) {                                                 \
            printf("%s:%d: `%s` instead of `%s`\n", __FILE__, __LINE__, actual_, wanted_);   \
            test_failures++;                                                                 \
        }                                                                                    \
    } while (0)

#define TEST_RESULT() (printf("%s: %s\n", __FILE__, test_failures == 0 ? "ok" : "FAILED"), test_failures != 0)

#endif
