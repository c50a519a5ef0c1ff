# INPUT as bytes in a C file: `const unsigned char SYMBOL[]` (terminated) and `const size_t SYMBOL_len`.
file(READ ${INPUT} hex HEX)
string(LENGTH "${hex}" digits)
math(EXPR length "${digits} / 2")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT}
     "#include <stddef.h>\n\nextern const unsigned char ${SYMBOL}[];\nextern const size_t ${SYMBOL}_len;\n"
     "const unsigned char ${SYMBOL}[] = {${bytes}0};\nconst size_t ${SYMBOL}_len = ${length};\n")
