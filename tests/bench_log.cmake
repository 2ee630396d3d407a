# Figures, not a test: run it by hand from a release build.
add_executable(bench_log bench/bench_log.c)
target_link_libraries(bench_log PRIVATE weir_parsers)
