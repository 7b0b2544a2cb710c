/* Two libraries that have halnorm inside, each its own. */
#include <stdio.h>
#include <string.h>

const char *first_error(void), *second_error(void);
int first_fails(void), second_fails(void), first_works(void), second_works(void);

int main(void) {
    if (!first_fails() || strlen(first_error()) == 0 || strlen(second_error()) != 0) {
        printf("the second library knows of the first one's failure: %s\n", second_error());
        return 1;
    }
    if (!second_fails() || first_error() == second_error() || !first_works() || !second_works()) {
        printf("one of the libraries does not work: %s, %s\n", first_error(), second_error());
        return 1;
    }
    puts("both");
    return 0;
}
