# Figures, not a test: run it by hand from a release build.
add_executable(bench_snapshot ${CMAKE_CURRENT_SOURCE_DIR}/bench/bench_snapshot.c)
target_link_libraries(bench_snapshot PRIVATE weir_collector)
