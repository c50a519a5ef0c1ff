#include <stdio.h>

int main(void)
{
    fputs("nightjar-collector: under construction\n", stderr);
    return 1;
}
