// Runs an hls4ml project on rows: `csim INPUTS OUTPUTS`; both hold float32, row after row.
// TOP, INPUT_SIZE and OUTPUT_SIZE come from the command line of the compiler. Exit code 2: bad arguments.
#include <cstdio>
#include <vector>

extern "C" void TOP(float *inputs, float *outputs);

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    std::FILE *in = std::fopen(argv[1], "rb");
    std::FILE *out = std::fopen(argv[2], "wb");
    if (in == nullptr || out == nullptr)
        return 2;
    std::vector<float> inputs(INPUT_SIZE), outputs(OUTPUT_SIZE);
    while (std::fread(inputs.data(), sizeof(float), inputs.size(), in) == inputs.size()) {
        TOP(inputs.data(), outputs.data());
        std::fwrite(outputs.data(), sizeof(float), outputs.size(), out);
    }
    return std::fclose(out) == 0 ? 0 : 1;
}
