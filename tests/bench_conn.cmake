# Figures, not a test: run it by hand from a release build.
add_executable(bench_conn bench/bench_conn.c)
target_link_libraries(bench_conn PRIVATE weir_parsers)
