# Turns parsers/log/mappings/*.yaml into one C file of byte arrays: the program knows its sources without any
# file beside it. Runs when a mapping changes.
function(weir_embed_mappings target)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/parsers/log/mappings/*.yaml)
  list(SORT files)
  set(arrays "")
  set(rows "")
  set(n 0)
  foreach(file ${files})
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const unsigned char text${n}[] = {${bytes}0};\n")
    string(APPEND rows "    {\"mappings/${name}\", text${n}, sizeof text${n} - 1},\n")
    math(EXPR n "${n} + 1")
  endforeach()
  set(out ${CMAKE_BINARY_DIR}/generated/mapping_files.c)
  file(CONFIGURE OUTPUT ${out} @ONLY CONTENT "#include \"parsers/log/mapping_internal.h\"

@arrays@
const struct wr_map_file wr_map_files[] = {
@rows@};
const size_t wr_map_nfiles = sizeof wr_map_files / sizeof *wr_map_files;
")
  target_sources(${target} PRIVATE ${out})
endfunction()
