#!/usr/bin/env bash
# Serves a repository that `vmamba-deploy package` wrote with NVIDIA's Triton image, asks it once,
# and measures it:
#
#     samples/triton/run_docker.sh REPO [MODEL]
#
# MODEL: vmamba. Variables:
#     TRITON_TAG  release of the image, such as 25.10; default: by the engine's TensorRT
#     IMAGE       a picture to ask the ensemble about
#     KEEP=1      leave the server running
# Ends with 4 where docker, a GPU that the package needs, or the right TensorRT is missing.
set -euo pipefail

readonly environment_missing=4

refuse() {
  printf 'error: %s\n' "$1" >&2
  printf 'hint: %s\n' "$2" >&2
  exit "${3:-${environment_missing}}"
}

if [[ $# -lt 1 || $# -gt 2 ]]; then
  refuse "usage: $0 REPO [MODEL]" "REPO is what \`vmamba-deploy package --triton REPO\` wrote" 2
fi
[[ -d $1 ]] || refuse "there is no folder $1" "\`vmamba-deploy package --triton $1\` makes it" 3
repository=$(cd "$1" && pwd)
model=${2:-vmamba}
record=${repository}/${model}/vmamba.json
[[ -f ${record} ]] || refuse "${repository} has no package ${model}" "name its model: $0 REPO MODEL" 3

# One value of the package's record; lists one item a line.
recorded() {
  python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))[sys.argv[2]]
print("\n".join(value) if isinstance(value, list) else value or "")' "${record}" "$1"
}
backend=$(recorded backend)
tensorrt=$(recorded tensorrt)
server_path=$(recorded server_path)
mapfile -t options < <(recorded server_options)

# Which release of the image has which TensorRT; the image itself is asked below.
tag_of_tensorrt() {
  case $1 in
    10.7.*) echo 24.12 ;;
    10.8.*) echo 25.01 ;;
    10.9.*) echo 25.03 ;;
    10.11.*) echo 25.06 ;;
    10.13.2*) echo 25.08 ;;
    10.13.3*) echo 25.10 ;;
    10.14.*) echo 25.11 ;;
    "") echo 25.10 ;;
    *) refuse "no release of Triton is known here for TensorRT $1" \
      "look it up in NVIDIA's support matrix and set TRITON_TAG" ;;
  esac
}
tag=${TRITON_TAG:-$(tag_of_tensorrt "${tensorrt}")}
base=nvcr.io/nvidia/tritonserver:${tag}-py3

command -v docker >/dev/null || refuse "docker is not installed on this machine" \
  "install it with the NVIDIA container toolkit, or serve without it: python -m samples.triton.serve_python_backend"
docker info >/dev/null 2>&1 || refuse "the docker daemon does not answer" "start it, or join its group"
command -v curl >/dev/null || refuse "curl is not installed" "apt-get install curl"

gpus=()
if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then
  gpus=(--gpus all)
elif [[ ${backend} == tensorrt ]]; then
  refuse "this machine has no NVIDIA GPU, and the package is for TensorRT" \
    "package with --backend onnxruntime or python"
fi

docker pull --quiet "${base}"
if [[ -n ${tensorrt} ]]; then
  # NVIDIA's images say their TensorRT in a variable. An engine runs on the version that built it.
  has=$(docker image inspect --format '{{join .Config.Env "\n"}}' "${base}" | sed -n 's/^TRT_VERSION=//p')
  [[ ${has%%[+-]*} == "${tensorrt}"* || ${tensorrt} == "${has%%[+-]*}"* ]] || refuse \
    "the engine is of TensorRT ${tensorrt}, ${base} has ${has:-none}" \
    "set TRITON_TAG to the release that has it, or build the engine with the image's TensorRT"
fi

work=$(mktemp -d)
server=
finish() {
  if [[ -n ${server} && ${KEEP:-0} != 1 ]]; then docker rm --force "${server}" >/dev/null; fi
  rm -rf "${work}"
}
trap finish EXIT

image=${base}
if [[ ${backend} == python || -d ${repository}/${model}_preprocess ]]; then
  # The steps in Python need this package in the server's Python.
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  python3 -m pip wheel --quiet --no-deps --wheel-dir "${work}" "${root}"
  cp "${root}/samples/triton/Dockerfile" "${work}"
  image=vmamba-triton:${tag}
  docker build --quiet --build-arg "BASE=${base}" --tag "${image}" "${work}"
fi

server=$(docker run --detach --rm "${gpus[@]}" --shm-size 1g --network host \
  --volume "${repository}:${server_path}:ro" "${image}" \
  tritonserver "${options[@]}" --http-address=127.0.0.1 --grpc-address=127.0.0.1)
for ((second = 0; ; second++)); do
  curl --silent --fail http://127.0.0.1:8000/v2/health/ready >/dev/null && break
  if ((second == 180)) || [[ -z $(docker ps --quiet --filter "id=${server}") ]]; then
    docker logs "${server}" 2>&1 | tail -n 30 >&2 || true
    refuse "the server did not get ready" "its log is above" 1
  fi
  sleep 1
done
curl --silent --fail "http://127.0.0.1:8000/v2/models/${model}" && echo

if [[ -n ${IMAGE:-} ]]; then
  curl --silent --show-error --fail-with-body --header 'Inference-Header-Content-Length: 0' \
    --header 'Content-Type: application/octet-stream' --data-binary "@${IMAGE}" \
    --output - "http://127.0.0.1:8000/v2/models/${model}_images/infer" && echo
fi

docker run --rm --network host "nvcr.io/nvidia/tritonserver:${tag}-py3-sdk" \
  perf_analyzer -m "${model}" -i grpc -u 127.0.0.1:8001 --concurrency-range 1:32:8 --percentile 99
if [[ ${KEEP:-0} == 1 ]]; then echo "still serving on 127.0.0.1:8000: docker rm --force ${server}"; fi
