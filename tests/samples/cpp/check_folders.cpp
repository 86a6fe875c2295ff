// Reads the manifest of each folder and checks its files against it.
// usage: check_folders FOLDER...
// prints for each folder "ok", or the exit code, the message and the hint of what was thrown
#include <iostream>

#include "vmamba_inference/error.hpp"
#include "vmamba_inference/verify.hpp"

int main(int count, char **words) {
  return vmamba_inference::run_program([&] {
    for (int i = 1; i < count; ++i) {
      try {
        vmamba_inference::verify_files(vmamba_inference::read_manifest(words[i]));
        std::cout << "ok\n";
      } catch (const vmamba_inference::Error &error) {
        std::cout << static_cast<int>(error.code()) << ' ' << error.what() << " | " << error.hint()
                  << '\n';
      }
    }
  });
}
