// Drives a clocked design written by Yosys' write_cxxrtl: `simulate LATENCY INPUTS OUTPUTS`.
// Every row is the port's bits in 32-bit words, low word first; a row goes in at each clock edge and its
// outputs are read LATENCY edges later. Exit code 2: bad arguments, or
// INPUTS does not hold whole rows.
#include "model.cc"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

using namespace cxxrtl_design;

// A port is value<N> (combinational) or wire<N> (a register).
template <size_t N> uint32_t *words(cxxrtl::value<N> &port) { return port.data; }
template <size_t N> uint32_t *words(cxxrtl::wire<N> &port) { return port.curr.data; }
template <size_t N> constexpr size_t count(const cxxrtl::value<N> &) { return (N + 31) / 32; }
template <size_t N> constexpr size_t count(const cxxrtl::wire<N> &) { return (N + 31) / 32; }

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    const size_t latency = std::strtoul(argv[1], nullptr, 10);
    std::FILE *in = std::fopen(argv[2], "rb");
    std::FILE *out = std::fopen(argv[3], "wb");
    if (in == nullptr || out == nullptr)
        return 2;
    static p_model model;
    std::vector<uint32_t> row(count(model.p_model__inp));
    const size_t outputs = count(model.p_model__out);
    size_t read = 0, written = 0, edges = 0;
    bool more = true;
    while (more || written < read) {
        if (more) {
            const size_t got = std::fread(row.data(), sizeof(uint32_t), row.size(), in);
            if (got != 0 && got != row.size())
                return 2;
            more = got != 0;
            read += more;
        }
        for (size_t i = 0; i < row.size(); i++)
            words(model.p_model__inp)[i] = row[i];
        model.p_clk.set<bool>(false);
        model.step();
        model.p_clk.set<bool>(true);
        model.step();
        // What registers hold since this edge reaches an output that is not a register itself only now.
        model.step();
        if (++edges >= latency && written < read) {
            std::fwrite(words(model.p_model__out), sizeof(uint32_t), outputs, out);
            written++;
        }
    }
    return std::fclose(out) == 0 ? 0 : 1;
}
