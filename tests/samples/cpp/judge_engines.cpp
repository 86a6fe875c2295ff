// Judges each row of a table of engines and machines.
// usage: judge_engines TABLE
// prints for each row why the engine cannot run there, or an empty line
#include <iostream>
#include <nlohmann/json.hpp>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/file.hpp"
#include "vmamba_inference/verify.hpp"

int main(int, char **words) {
  return vmamba_inference::run_program([&] {
    const auto text = vmamba_inference::read_file(words[1], 1 << 20);
    for (const auto &row : vmamba_inference::detail::parse_json(text)) {
      const auto of = [&](const char *key) { return row.at(key).get<std::string>(); };
      const auto &given = row.at("engine");
      vmamba_inference::EngineFacts engine;
      engine.built = true;
      given.at("flavour").get_to(engine.flavour);
      given.at("version").get_to(engine.version);
      given.at("compute_capabilities").get_to(engine.compute_capabilities);
      given.at("version_compatible").get_to(engine.version_compatible);
      given.at("hardware_compatible").get_to(engine.hardware_compatible);
      std::cout << vmamba_inference::misfit(engine, of("flavour"), of("version"),
                                            of("compute_capability"))
                << '\n';
    }
  });
}
