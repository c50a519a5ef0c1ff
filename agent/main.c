#include <stdio.h>

int main(void)
{
    fputs("nightjar-agent: under construction\n", stderr);
    return 1;
}
