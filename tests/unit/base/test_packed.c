/*
 * Numbers in few bytes: what comes back, how many bytes that takes, and what no reader takes for a number.
 */
#include "common/base/packed.h"

#include <math.h>

#include "tests/unit/test.h"

static struct nj_packed open_packed(const struct nj_buf *buf)
{
    const uint8_t *bytes = (const uint8_t *)buf->data;
    return (struct nj_packed){.at = bytes, .end = bytes + buf->len};
}

static void a_whole_number_takes_a_byte_for_seven_bits(void **state)
{
    static const struct {
        uint64_t value;
        size_t len;
    } cases[] = {{0, 1}, {127, 1}, {128, 2}, {16383, 2}, {16384, 3}, {INT64_MAX, 9}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct nj_buf buf = {0};
        nj_pack_whole(&buf, cases[i].value);
        assert_int_equal(cases[i].len, buf.len);
        struct nj_packed packed = open_packed(&buf);
        assert_int_equal(cases[i].value, nj_unpack_whole(&packed, cases[i].value));
        assert_false(packed.bad);
        assert_ptr_equal(packed.at, packed.end);
        if (cases[i].value > 0) {
            packed = open_packed(&buf);
            assert_int_equal(0, nj_unpack_whole(&packed, cases[i].value - 1));
            assert_true(packed.bad);
        }
        packed = open_packed(&buf);
        packed.end--;
        assert_int_equal(0, nj_unpack_whole(&packed, UINT64_MAX));
        assert_true(packed.bad);
        nj_buf_done(&buf);
    }
}

static void a_number_without_an_end_is_none(void **state)
{
    static const uint8_t bytes[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01};
    struct nj_packed packed = {.at = bytes, .end = bytes + sizeof(bytes)};
    (void)state;
    assert_int_equal(0, nj_unpack_whole(&packed, UINT64_MAX));
    assert_true(packed.bad);
    assert_int_equal(0, nj_unpack_whole(&packed, UINT64_MAX)); /* what follows is none either */
}

static void a_real_number_is_as_exact_as_its_bytes(void **state)
{
    static const double values[] = {0, 1, 0.1, 123456.789, 1e-9, 1e18};
    (void)state;
    for (size_t bytes = 4; bytes <= sizeof(double); bytes++) {
        double error = ldexp(1, -(int)(8 * bytes - 12)); /* sign and exponent take 12 bits */
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
            struct nj_buf buf = {0};
            nj_pack_real(&buf, values[i], bytes);
            assert_int_equal(bytes, buf.len);
            struct nj_packed packed = open_packed(&buf);
            double value = nj_unpack_real(&packed, bytes);
            assert_true(fabs(value - values[i]) <= error * values[i]);
            assert_false(packed.bad);
            assert_true(nj_unpack_real(&packed, bytes) == 0);
            assert_true(packed.bad);
            nj_buf_done(&buf);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_number_takes_a_byte_for_seven_bits),
        cmocka_unit_test(a_number_without_an_end_is_none),
        cmocka_unit_test(a_real_number_is_as_exact_as_its_bytes),
    };
    return cmocka_run_group_tests_name("packed", tests, NULL, NULL);
}
