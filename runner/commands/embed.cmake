# Writes the file INPUT as a C++ string into OUTPUT.
file(READ ${INPUT} text)
# The compiler's limit on one literal is far above any schema; the delimiter does not occur in JSON text of ours.
string(FIND "${text}" ")embedded\"" clash)
if(NOT clash EQUAL -1)
  message(FATAL_ERROR "${INPUT} holds the delimiter of the raw string it is to become")
endif()
file(WRITE ${OUTPUT} "#include \"commands/schema.h\"

namespace runner {

const std::string_view kSchemaText = R\"embedded(${text})embedded\";

}  // namespace runner
")
