#include "collector/state/filepos.h"

#include <criterion/criterion.h>
#include <string.h>

Test(filepos, comes_back_as_it_was_saved)
{
    struct wr_fileposs all = {0}, again = {0};
    struct wr_buf bytes = {0};
    for (uint64_t i = 1; i <= 40; i++) {
        struct wr_filepos pos = {.dev = 1,
                                 .ino = i,
                                 .at = i * 1000,
                                 .skip = i == 3 ? UINT64_MAX : 0,
                                 .head_len = 5,
                                 .head_crc = 77};
        cr_assert_eq(wr_fileposs_set(&all, &pos, "/var/log/a", 10), WR_OK);
        pos.at++;
        cr_assert_eq(wr_fileposs_set(&all, &pos, "/var/log/b", 10), WR_OK);
    }
    struct wr_filepos gone = {.dev = 1, .ino = 7, .gone = true};
    cr_assert_eq(wr_fileposs_set(&all, &gone, "", 0), WR_OK);
    wr_fileposs_save(&all, &bytes);
    cr_assert_eq(wr_fileposs_load(&again, bytes.data, bytes.len), WR_OK);
    cr_assert_eq(again.n, 39);
    const struct wr_filepos_known *k = wr_fileposs_find(&again, 1, 3);
    cr_assert_eq(k->pos.at, 3001);
    cr_assert_eq(k->pos.skip, UINT64_MAX);
    cr_assert_eq(k->pos.head_crc, 77);
    cr_assert_str_eq(k->path, "/var/log/b");
    cr_assert_null(wr_fileposs_find(&again, 1, 7));
    cr_assert_null(wr_fileposs_find(&again, 2, 3), "another device is another file");
    wr_fileposs_fini(&all);
    wr_fileposs_fini(&again);
    wr_buf_fini(&bytes);
}

Test(filepos, refuses_every_cut_and_a_path_with_a_nul)
{
    struct wr_buf bytes = {0};
    struct wr_filepos pos = {.dev = 1, .ino = 2, .head_len = WR_FILE_HEAD};
    wr_filepos_put(&pos, "/x", &bytes);
    for (size_t n = 1; n < bytes.len; n++) {
        struct wr_fileposs all = {0};
        cr_assert_eq(wr_fileposs_load(&all, bytes.data, n), WR_ECORRUPT, "%zu", n);
        cr_assert_eq(all.n, 0);
    }
    struct wr_fileposs all = {0};
    bytes.data[bytes.len - 1] = '\0';
    cr_assert_eq(wr_fileposs_load(&all, bytes.data, bytes.len), WR_ECORRUPT);
    wr_buf_reset(&bytes);
    pos.head_len = WR_FILE_HEAD + 1;
    wr_filepos_put(&pos, "/x", &bytes);
    cr_assert_eq(wr_fileposs_load(&all, bytes.data, bytes.len), WR_ECORRUPT);
    wr_buf_fini(&bytes);
}
