#include <stdint.h>
#define S(x) #x
#define T(x) S(x)
uint64_t m(uint64_t a, uint64_t b) { return sizeof T(main()) > 9 ? a * b : a + b; }
