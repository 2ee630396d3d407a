/* Codes, digests, packed texts: values from their specifications, and what hostile input gives. */
#include "tests/unit/rules/exec/expect.h"

#include "base/hash.h"

#include <stdio.h>

Test(codes, xxhash64_is_that_of_its_specification)
{
    static const char text[] = "Nobody inspects the spammish repetition";
    cr_expect_eq(wr_xxh64(0, "", 0), UINT64_C(0xef46db3751d8e999));
    cr_expect_eq(wr_xxh64(0, "a", 1), UINT64_C(0xd24ec4f1a98c6e5b));
    cr_expect_eq(wr_xxh64(0, text, sizeof text - 1), UINT64_C(0xfbcea83c8a378bf1));
}

Test(codes, hashes_are_kustos)
{
    expect("print a = hash('World'), b = hash('World', 100), c = hash(datetime(2015-01-01))",
           "a|b|c;1846988464401551951|51|1380966698541616202");
    expect("print a = hash('World', 0), b = hash(guid(null)), c = hash('')",
           "a|b|c;null|null|-1205034819632174695");
}

Test(codes, base64_of_bytes_and_guids)
{
    expect("print a = base64_encode_fromarray(dynamic([75,117,115,116,111])), b = "
           "base64_encode_fromarray(dynamic([1,256])), "
           "c = base64_encode_fromarray(dynamic({'a':1}))",
           "a|b|c;S3VzdG8=||");
    expect("print a = base64_decode_toguid('8jMxriJurkmwahbmqbIS6w=='), b = "
           "base64_decode_toguid('AAAA')",
           "a|b;ae3133f2-6e22-49ae-b06a-16e6a9b212eb|null");
}

Test(codes, packed_texts_come_back)
{
    expect(
        "print a = gzip_decompress_from_base64_string(gzip_compress_to_base64_string(strrep('weir "
        "', 1000))) == strrep('weir ', 1000)",
        "a;True");
    expect("print a = zlib_decompress_from_base64_string(zlib_compress_to_base64_string('a')), "
           "b = zlib_decompress_from_base64_string(gzip_compress_to_base64_string('a')), "
           "c = gzip_decompress_from_base64_string('H4sIAAAAAAAA/w==')",
           "a|b|c;a||");
}

Test(codes, what_would_unpack_to_more_than_64_kib_is_empty)
{
    /* zlib of 1,048,577 times 'a' */
    static const char bomb[] =
        "eNrtwTEBAAAAwqCs61/"
        "CEL5AAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
        "AAAAAAAAAA"
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACcBiy/W1I=";
    char query[4096];
    snprintf(query, sizeof query, "print a = strlen(zlib_decompress_from_base64_string('%s'))",
             bomb);
    expect(query, "a;0");
    expect("let most = strrep(strrep('a', 64), 1024); "
           "print a = strlen(zlib_decompress_from_base64_string(zlib_compress_to_base64_string(most))), "
           "b = strlen(zlib_decompress_from_base64_string(zlib_compress_to_base64_string(strcat(most, 'a'))))",
           "a|b;65536|0");
}

Test(codes, punycode_is_that_of_rfc_3492)
{
    expect(
        "print a = punycode_from_string('\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587'), "
        "b = punycode_to_string('ihqwcrb4cv8a8dqg056pqjye'), c = punycode_from_string('bücher'), "
        "d = punycode_to_string('bcher-kva')",
        "a|b|c|d;ihqwcrb4cv8a8dqg056pqjye|\u4ed6\u4eec\u4e3a\u4ec0\u4e48\u4e0d\u8bf4\u4e2d\u6587|"
        "bcher-kva|bücher");
    expect("print a = punycode_domain_to_string('Riðill。Skáldskaparmál。org'), "
           "b = punycode_domain_from_string('www.xn--pypal-4ve.com'), c = "
           "punycode_domain_from_string('plain.example')",
           "a|b|c;xn--Riill-jta.xn--Skldskaparml-dbbj.org|www.p\u0430ypal.com|plain.example");
}

Test(codes, punycode_that_is_none_gives_nothing)
{
    expect("print a = punycode_to_string('ls8h='), b = punycode_to_string('a-\u00e4'), "
           "c = punycode_from_string(strcat(strrep('\u00e4', 1024), 'a')), d = "
           "strlen(punycode_from_string(strrep('\u00e4', 1024))) > 0",
           "a|b|c|d;|||True");
}
