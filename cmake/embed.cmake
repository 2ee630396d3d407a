# Files as one C file of byte arrays, so that the program needs none of them beside it. Runs again when one changes.
#   weir_embed(TARGET PATTERN OUT HEADER CHAR ROW TYPE ARRAY COUNT): an array ARRAY of struct TYPE, ROW for each file, where
#   @n@ is its number (its bytes are text@n@), @name@ its name, @stem@ the name without its suffix; COUNT is their number.
function(weir_embed target pattern out header char row type array count)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${pattern})
  list(SORT files)
  set(arrays "")
  set(rows "")
  set(n 0)
  foreach(file ${files})
    set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME)
    get_filename_component(stem ${file} NAME_WE)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const ${char} text${n}[] = {${bytes}0};\n")
    string(CONFIGURE "${row}" one @ONLY)
    string(APPEND rows "    {${one}, text${n}, sizeof text${n} - 1},\n")
    math(EXPR n "${n} + 1")
  endforeach()
  string(REPLACE "{, " "{" rows "${rows}") # no name
  set(path ${CMAKE_BINARY_DIR}/generated/${out})
  file(CONFIGURE OUTPUT ${path} @ONLY CONTENT "#include \"@header@\"

@arrays@
const struct @type@ @array@[] = {
@rows@};
const size_t @count@ = sizeof @array@ / sizeof *@array@;
")
  target_sources(${target} PRIVATE ${path})
endfunction()
