// Run what `vmamba-deploy export` writes. See docs/cpp.md.
//
//   vmamba_inference::Classifier model("artifacts/vmamba_tiny_s1l8-fp16");
//   for (const auto &best : model.classify({"cat.jpg"}).front()) ... best.label, best.probability
#pragma once

#include "vmamba_inference/classifier.hpp"
#include "vmamba_inference/detector.hpp"
#include "vmamba_inference/error.hpp"
#include "vmamba_inference/preprocess.hpp"
#include "vmamba_inference/read_image.hpp"
#include "vmamba_inference/segmenter.hpp"
#include "vmamba_inference/verify.hpp"
