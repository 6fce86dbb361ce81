#include "strbuf.h"

#include "test.h"

int main(void) {
    Strbuf buffer = {0};
    CHECK(strbuf_text(&buffer).length == 0);
    for (int i = 0; i < 1000; i++)
        strbuf_printf(&buffer, "%d,", i);
    CHECK(buffer.length == 10 * 2 + 90 * 3 + 900 * 4);
    CHECK(strcmp(buffer.bytes + buffer.length - 4, "999,") == 0);
    strbuf_add(&buffer, "a\0b", 3);
    CHECK(strbuf_text(&buffer).bytes[buffer.length - 2] == '\0');
    strbuf_free(&buffer);
    CHECK(buffer.capacity == 0);
    return TEST_RESULT();
}
