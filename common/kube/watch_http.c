#include "common/base/err.h" /* placeholder */
