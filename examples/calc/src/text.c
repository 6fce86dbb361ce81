#include "text.h"

#include <string.h>

Text text_from(const char *string) {
    return (Text){.bytes = string, .length = strlen(string)};
}

bool text_equal(Text a, Text b) {
    return a.length == b.length && memcmp(a.bytes, b.bytes, a.length) == 0;
}

int text_compare(Text a, Text b) {
    const size_t common = a.length < b.length ? a.length : b.length;
    const int order = memcmp(a.bytes, b.bytes, common);
    if (order != 0 || a.length == b.length)
        return order;
    return a.length < b.length ? -1 : 1;
}
