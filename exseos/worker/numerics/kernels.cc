// TensorFlow's CPU kernels that approximate, once more without approximation.
//
// Eigen, as TensorFlow's wheel compiles it, begins 1/x and 1/sqrt(x) of single precision with the instructions rcpps and rsqrtps.
// Their results are not specified: processors of different makers round them differently. Here the same ops divide and take
// roots as IEEE 754 says, so that every processor gives the same bits. The higher priority makes TensorFlow prefer these.
#include <immintrin.h>

// Whatever of Eigen is used below must not approximate either.
#define _mm_rcp_ps(x) _mm_div_ps(_mm_set1_ps(1.0f), x)
#define _mm256_rcp_ps(x) _mm256_div_ps(_mm256_set1_ps(1.0f), x)
#define _mm_rsqrt_ps(x) _mm_div_ps(_mm_set1_ps(1.0f), _mm_sqrt_ps(x))
#define _mm256_rsqrt_ps(x) _mm256_div_ps(_mm256_set1_ps(1.0f), _mm256_sqrt_ps(x))

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/util/bcast.h"
#include "unsupported/Eigen/SpecialFunctions"

namespace exseos {
using namespace tensorflow;  // NOLINT: the macros of OpKernel name its types

template <typename T>
using Row = Eigen::Array<T, Eigen::Dynamic, 1>;
using Values = Eigen::Map<Row<float>>;
using Function = void (*)(Values);

void reciprocal(Values x) { x = 1.0f / x; }
void rsqrt(Values x) { x = 1.0f / x.sqrt(); }
void erfc(Values x) { x = x.erfc(); }
void ndtri(Values x) { x = x.ndtri(); }
void erfinv(Values x) { x = (x * 0.5f + 0.5f).ndtri() * static_cast<float>(M_SQRT1_2); }
void atan(Values x) { x = x.atan(); }
void elu(Values x) { x = (x < 0.0f).select(x.expm1(), x); }
void selu(Values x) {
  constexpr float scale = 1.0507009873554805f, alpha = 1.7580993408473766f;
  x = (x < 0.0f).select(alpha * x.expm1(), scale * x);
}

// What Grappler's _UnaryOpsComposition may be made of.
const std::map<std::string, Function>& compositions() {
  static const auto* const known = new std::map<std::string, Function>{
      {"Abs", [](Values x) { x = x.abs(); }},
      {"Acos", [](Values x) { x = x.acos(); }},
      {"Acosh", [](Values x) { x = x.acosh(); }},
      {"Asin", [](Values x) { x = x.asin(); }},
      {"Asinh", [](Values x) { x = x.asinh(); }},
      {"Atan", atan},
      {"Atanh", [](Values x) { x = x.atanh(); }},
      {"Ceil", [](Values x) { x = x.ceil(); }},
      {"Cos", [](Values x) { x = x.cos(); }},
      {"Cosh", [](Values x) { x = x.cosh(); }},
      {"Elu", elu},
      {"Exp", [](Values x) { x = x.exp(); }},
      {"Expm1", [](Values x) { x = x.expm1(); }},
      {"Floor", [](Values x) { x = x.floor(); }},
      {"Inv", reciprocal},
      {"Log", [](Values x) { x = x.log(); }},
      {"Log1p", [](Values x) { x = x.log1p(); }},
      {"Neg", [](Values x) { x = -x; }},
      {"Reciprocal", reciprocal},
      {"Relu", [](Values x) { x = x.max<Eigen::PropagateNaN>(0.0f); }},
      {"Relu6", [](Values x) { x = x.max<Eigen::PropagateNaN>(0.0f).min<Eigen::PropagateNaN>(6.0f); }},
      {"Rint", [](Values x) { x = x.rint(); }},
      {"Round", [](Values x) { x = x.rint(); }},
      {"Rsqrt", rsqrt},
      {"Selu", selu},
      {"Sigmoid", [](Values x) { x = x.logistic(); }},
      {"Sin", [](Values x) { x = x.sin(); }},
      {"Sinh", [](Values x) { x = x.sinh(); }},
      {"Sqrt", [](Values x) { x = x.sqrt(); }},
      {"Square", [](Values x) { x = x.square(); }},
      {"Tan", [](Values x) { x = x.tan(); }},
      {"Tanh", [](Values x) { x = x.tanh(); }},
  };
  return *known;
}

// Narrow types are computed in single precision and rounded once after each function, as Eigen does.
template <typename T>
void apply(const std::vector<Function>& functions, const Tensor& in, Tensor* out) {
  const int64_t size = in.NumElements();
  const T* const from = in.flat<T>().data();
  T* const to = out->flat<T>().data();
  if constexpr (std::is_same_v<T, float>) {
    if (from != to) std::copy(from, from + size, to);
    for (const Function function : functions) function(Values(to, size));
  } else {
    Row<float> wide(size);
    Eigen::Map<Row<T>> narrow(to, size);
    narrow = Eigen::Map<const Row<T>>(from, size);
    for (const Function function : functions) {
      wide = narrow.template cast<float>();
      function(Values(wide.data(), size));
      narrow = wide.template cast<T>();
    }
  }
}

template <typename T, Function function>
class Unary : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    const Tensor& in = context->input(0);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->forward_input_or_allocate_output({0}, 0, in.shape(), &out));
    apply<T>({function}, in, out);
  }
};

template <typename T>
class Composition : public OpKernel {
 public:
  explicit Composition(OpKernelConstruction* context) : OpKernel(context) {
    std::vector<std::string> names;
    OP_REQUIRES_OK(context, context->GetAttr("op_names", &names));
    for (const auto& name : names) {
      const auto found = compositions().find(name);
      OP_REQUIRES(context, found != compositions().end(), errors::Unimplemented("exseos: no exact ", name));
      functions_.push_back(found->second);
    }
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& in = context->input(0);
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->forward_input_or_allocate_output({0}, 0, in.shape(), &out));
    apply<T>(functions_, in, out);
  }

 private:
  std::vector<Function> functions_;
};

template <typename T>
class Softmax : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    const Tensor& in = context->input(0);
    OP_REQUIRES(context, TensorShapeUtils::IsVectorOrHigher(in.shape()), errors::InvalidArgument("logits must have >= 1 dimension"));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->forward_input_or_allocate_output({0}, 0, in.shape(), &out));
    if (in.NumElements() == 0) return;
    const auto from = in.flat_inner_dims<T>();
    auto to = out->flat_inner_dims<T>();
    const int64_t size = from.dimension(1);
    Row<float> row(size);
    for (int64_t i = 0; i < from.dimension(0); ++i) {
      row = Eigen::Map<const Row<T>>(&from(i, 0), size).template cast<float>();
      row = (row - row.maxCoeff<Eigen::PropagateNaN>()).exp();
      row /= row.sum();
      Eigen::Map<Row<T>>(&to(i, 0), size) = row.cast<T>();
    }
  }
};

class Atan2 : public OpKernel {
 public:
  using OpKernel::OpKernel;
  void Compute(OpKernelContext* context) override {
    const Tensor &y = context->input(0), &x = context->input(1);
    const BCast shapes(BCast::FromShape(y.shape()), BCast::FromShape(x.shape()), /*fewer_dims_optimization=*/false);
    OP_REQUIRES(context, shapes.IsValid(), errors::InvalidArgument("Incompatible shapes"));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, BCast::ToShape(shapes.output_shape()), &out));
    const auto &size = shapes.output_shape(), &of_y = shapes.x_reshape(), &of_x = shapes.y_reshape();
    const float *const from_y = y.flat<float>().data(), *const from_x = x.flat<float>().data();
    float* const to = out->flat<float>().data();
    for (int64_t i = 0; i < out->NumElements(); ++i) {
      to[i] = std::atan2(from_y[place(i, size, of_y)], from_x[place(i, size, of_x)]);
    }
  }

 private:
  // Where element `index` of an array of `size` is in an operand that is broadcast to it.
  static int64_t place(int64_t index, const BCast::Vec& size, const BCast::Vec& operand) {
    int64_t found = 0, step = 1;
    for (int axis = static_cast<int>(size.size()) - 1; axis >= 0; --axis) {
      if (operand[axis] != 1) found += (index % size[axis]) * step;
      step *= operand[axis];
      index /= size[axis];
    }
    return found;
  }
};

class LRN : public OpKernel {
 public:
  explicit LRN(OpKernelConstruction* context) : OpKernel(context) {
    int64_t radius;
    OP_REQUIRES_OK(context, context->GetAttr("depth_radius", &radius));
    OP_REQUIRES_OK(context, context->GetAttr("bias", &bias_));
    OP_REQUIRES_OK(context, context->GetAttr("alpha", &alpha_));
    OP_REQUIRES_OK(context, context->GetAttr("beta", &beta_));
    OP_REQUIRES(context, radius >= 0 && radius < (1 << 30), errors::InvalidArgument("depth_radius = ", radius, " is not in [0, 2^30)"));
    radius_ = radius;
  }
  void Compute(OpKernelContext* context) override {
    const Tensor& in = context->input(0);
    OP_REQUIRES(context, in.dims() == 4, errors::InvalidArgument("in must be 4-dimensional"));
    Tensor* out = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, in.shape(), &out));
    const auto from = in.flat_inner_dims<float>();
    auto to = out->flat_inner_dims<float>();
    const int64_t depth = from.dimension(1);
    for (int64_t i = 0; i < from.dimension(0); ++i) {
      for (int64_t j = 0; j < depth; ++j) {
        float sum = 0;
        for (int64_t k = std::max<int64_t>(0, j - radius_); k <= std::min(depth - 1, j + radius_); ++k) sum += from(i, k) * from(i, k);
        to(i, j) = from(i, j) / std::pow(bias_ + alpha_ * sum, beta_);
      }
    }
  }

 private:
  int64_t radius_;
  float bias_, alpha_, beta_;
};

#define EXSEOS_KERNEL(NAME, TYPE, ...) \
  REGISTER_KERNEL_BUILDER(Name(NAME).Device(DEVICE_CPU).TypeConstraint<TYPE>("T").Priority(2), __VA_ARGS__)
#define EXSEOS_ALL_TYPES(NAME, KERNEL)                 \
  EXSEOS_KERNEL(NAME, float, KERNEL(float));           \
  EXSEOS_KERNEL(NAME, Eigen::half, KERNEL(Eigen::half)); \
  EXSEOS_KERNEL(NAME, bfloat16, KERNEL(bfloat16))

#define EXSEOS_RECIPROCAL(TYPE) Unary<TYPE, reciprocal>
#define EXSEOS_RSQRT(TYPE) Unary<TYPE, rsqrt>
#define EXSEOS_ERFC(TYPE) Unary<TYPE, erfc>
#define EXSEOS_ATAN(TYPE) Unary<TYPE, atan>
EXSEOS_ALL_TYPES("Reciprocal", EXSEOS_RECIPROCAL);
EXSEOS_ALL_TYPES("Inv", EXSEOS_RECIPROCAL);
EXSEOS_ALL_TYPES("Rsqrt", EXSEOS_RSQRT);
EXSEOS_ALL_TYPES("Erfc", EXSEOS_ERFC);
EXSEOS_ALL_TYPES("Atan", EXSEOS_ATAN);
#define EXSEOS_SOFTMAX(TYPE) Softmax<TYPE>
EXSEOS_ALL_TYPES("Softmax", EXSEOS_SOFTMAX);
EXSEOS_KERNEL("Ndtri", float, Unary<float, ndtri>);
EXSEOS_KERNEL("Erfinv", float, Unary<float, erfinv>);
EXSEOS_KERNEL("Atan2", float, Atan2);
EXSEOS_KERNEL("LRN", float, LRN);
EXSEOS_KERNEL("_UnaryOpsComposition", float, Composition<float>);
EXSEOS_KERNEL("_UnaryOpsComposition", Eigen::half, Composition<Eigen::half>);
}  // namespace exseos
