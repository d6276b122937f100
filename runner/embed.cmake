# Writes the file INPUT as the C++ string NAME, which HEADER declares, into OUTPUT.
file(READ ${INPUT} text)
# The compiler's limit on one literal is far above what we embed; the delimiter does not occur in it.
string(FIND "${text}" ")embedded\"" clash)
if(NOT clash EQUAL -1)
  message(FATAL_ERROR "${INPUT} holds the delimiter of the raw string it is to become")
endif()
file(WRITE ${OUTPUT} "#include \"${HEADER}\"

namespace runner {

const std::string_view ${NAME} = R\"embedded(${text})embedded\";

}  // namespace runner
")
