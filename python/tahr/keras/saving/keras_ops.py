"""How Keras writes calls of ops in the graph of a model: `x + 1` as {"module": "keras.src.ops.numpy", "class_name": "Add"}.

Keras has a class for each op. Some arguments are part of its config (a star in the table), the others of the call.
`OpCall`, which stands for all of them here, keeps all arguments in the call. A row is Class(arguments), or
Class=function(arguments) where the function is not called like the class.
"""

from __future__ import annotations

import functools
import re
from typing import Any

_TABLE = {
    "numpy": """
        Abs(x) Absolute(x) Add(x1 x2) All(x axis* keepdims*) AllClose=allclose(x1 x2 rtol* atol* equal_nan*)
        Amax(x axis* keepdims*) Amin(x axis* keepdims*) Angle(x) Any(x axis* keepdims*) Append(x1 x2 axis*)
        Arange(start stop step dtype*) Arccos(x) Arccosh(x) Arcsin(x) Arcsinh(x) Arctan(x) Arctan2(x1 x2) Arctanh(x)
        Argmax(x axis* keepdims*) Argmin(x axis* keepdims*) Argpartition(x kth* axis*) Argsort(x axis*)
        Array(x dtype*) ArraySplit(x indices_or_sections* axis*) Average(x axis* weights)
        Bincount(x weights* minlength* sparse*) BitwiseAnd(x y) BitwiseInvert(x) BitwiseLeftShift(x y) BitwiseNot(x)
        BitwiseOr(x y) BitwiseRightShift(x y) BitwiseXor(x y) BroadcastTo(x shape*) Cbrt(x) Ceil(x)
        Clip(x x_min* x_max*) Concatenate(xs axis*) Conj(x) Conjugate(x) Copy(x) Corrcoef(x) Correlate(x1 x2 mode*)
        Cos(x) Cosh(x) CountNonzero(x axis*) Cross(x1 x2 axisa* axisb* axisc* axis*) Cumprod(x axis* dtype*)
        Cumsum(x axis* dtype*) Deg2rad(x) Diag(x k*) Diagflat(x k*) Diagonal(x offset* axis1* axis2*) Diff(a n* axis*)
        Digitize(x bins) Divide(x1 x2) DivideNoNan(x1 x2) Dot(x1 x2) Dsplit(x indices_or_sections*) Dstack(xs)
        Einsum(subscripts* operands) EmptyLike(x dtype*) Equal(x1 x2) Exp(x) Exp2(x) ExpandDims(x axis*)
        Expm1(x) Fabs(x) Flip(x axis*) Fliplr(x) Flipud(x) Floor(x) FloorDivide(x1 x2) Fmax(x1 x2) Fmin(x1 x2)
        Fmod(x1 x2) Full(shape* fill_value dtype*) FullLike(x fill_value dtype*) Gcd(x1 x2)
        Geomspace(start stop num* endpoint* dtype* axis*) GetItem(x key) Greater(x1 x2) GreaterEqual(x1 x2)
        Heaviside(x1 x2) Histogram(x bins* range*) Hsplit(x indices_or_sections*) Hstack(xs) Hypot(x1 x2) I0(x)
        Imag(x) Inner(x1 x2) IsIn=isin(x1 x2 assume_unique* invert*) Isclose(x1 x2 rtol atol equal_nan*) Isfinite(x)
        Isinf(x) Isnan(x) Isneginf(x) Isposinf(x) Isreal(x) Kron(x1 x2) Lcm(x1 x2) Ldexp(x1 x2) LeftShift(x y)
        Less(x1 x2) LessEqual(x1 x2) Linspace(start stop num* endpoint* retstep* dtype* axis*) Log(x) Log10(x)
        Log1p(x) Log2(x) Logaddexp(x1 x2) Logaddexp2(x1 x2) LogicalAnd(x1 x2) LogicalNot(x) LogicalOr(x1 x2)
        LogicalXor(x1 x2) Logspace(start stop num* endpoint* base* dtype* axis*) Matmul(x1 x2)
        Max(x axis* keepdims* initial*) Maximum(x1 x2) Mean(x axis* keepdims*) Median(x axis* keepdims*)
        Meshgrid(x indexing*) Min(x axis* keepdims* initial*) Minimum(x1 x2) Mod(x1 x2)
        Moveaxis(x source* destination*) Multiply(x1 x2) NanToNum(x nan* posinf* neginf*) Nanargmax(x axis* keepdims*)
        Nanargmin(x axis* keepdims*) Nancumprod(x axis* dtype*) Nancumsum(x axis* dtype*) Nanmax(x axis* keepdims*)
        Nanmean(x axis* keepdims*) Nanmedian(x axis* keepdims*) Nanmin(x axis* keepdims*)
        Nanpercentile(x q axis* method* keepdims*) Nanprod(x axis* keepdims*) Nanquantile(x q axis* method* keepdims*)
        Nanstd(x axis* keepdims*) Nansum(x axis* keepdims*) Nanvar(x axis* keepdims*) Ndim(x) Negative(x)
        Nextafter(x1 x2) Nonzero(x) NotEqual(x1 x2) OnesLike(x dtype*) Outer(x1 x2)
        Pad(x pad_width* mode* constant_values) Percentile(x q axis* method* keepdims*) Power(x1 x2)
        Prod(x axis* keepdims* dtype*) Ptp(x axis* keepdims*) Quantile(x q axis* method* keepdims*) Rad2deg(x)
        Ravel(x) Real(x) Reciprocal(x) Repeat(x repeats* axis*) Reshape(x newshape*) RightShift(x y)
        Roll(x shift* axis*) Rot90(array k* axes*) Round(x decimals*)
        SearchSorted=searchsorted(sorted_sequence values side*) Select(condlist choicelist default) Sign(x) Signbit(x)
        Sin(x) Sinc(x) Sinh(x) Size(x) Slogdet(x) Sort(x axis*) Split(x indices_or_sections* axis*) Sqrt(x) Square(x)
        Squeeze(x axis*) Stack(x axis*) Std(x axis* keepdims*) Subtract(x1 x2) Sum(x axis* keepdims*)
        Swapaxes(x axis1* axis2*) Take(x indices axis*) TakeAlongAxis(x indices axis*) Tan(x) Tanh(x)
        Tensordot(x1 x2 axes*) Tile(x repeats*) Trace(x offset* axis1* axis2*) Transpose(x axes*)
        Trapezoid(y x* dx* axis*) Tril(x k*) Triu(x k*) TrueDivide(x1 x2) Trunc(x)
        Unique(x sorted* return_index* return_inverse* return_counts* axis* size* fill_value*)
        UnravelIndex(indices shape*) Vander(x N* increasing*) Var(x axis* keepdims*) Vdot(x1 x2) View(x dtype*)
        Vsplit(x indices_or_sections*) Vstack(xs) Where(condition x1 x2) ZerosLike(x dtype*)
    """,
    "nn": """
        AdaptiveAveragePool(inputs output_size* data_format*) AdaptiveMaxPool(inputs output_size* data_format*)
        AveragePool(inputs pool_size* strides* padding* data_format*) BinaryCrossentropy(target output from_logits*)
        CTCDecode(inputs sequence_lengths strategy* beam_width* top_paths* merge_repeated* mask_index*)
        CTCLoss(target output target_length output_length mask_index*)
        CategoricalCrossentropy(target output from_logits* axis*) Celu(x alpha*)
        Conv(inputs kernel strides* padding* data_format* dilation_rate*)
        ConvTranspose(inputs kernel strides* padding* output_padding* data_format* dilation_rate*)
        DepthToSpace(x block_size* data_format*)
        DepthwiseConv(inputs kernel strides* padding* data_format* dilation_rate*)
        DotProductAttention(query key value bias mask scale is_causal* flash_attention* attn_logits_soft_cap*)
        Elu(x alpha*) Fold(x output_size* kernel_size* dilation* padding* stride*) Gelu(x approximate*) Glu(x axis*)
        HardShrink(x threshold*) HardSigmoid(x) HardSilu(x) HardTanh(x) LeakyRelu(x negative_slope*) LogSigmoid(x)
        LogSoftmax(x axis*) MaxPool(inputs pool_size* strides* padding* data_format*)
        Moments(x axes* keepdims* synchronized*) MultiHot(inputs num_classes* axis* dtype* sparse* kwargs*)
        Normalize(x axis* order* epsilon*) OneHot(x num_classes* axis* dtype* sparse*) PSNR(x1 x2 max_val*)
        Polar(abs_ angle) Relu(x) Relu6(x) Selu(x)
        SeparableConv(inputs depthwise_kernel pointwise_kernel strides* padding* data_format* dilation_rate*)
        Sigmoid(x) Silu(x) SoftShrink(x threshold*) Softmax(x axis*) Softplus(x) Softsign(x)
        SpaceToDepth(x block_size* data_format*) SparseCategoricalCrossentropy(target output from_logits* axis*)
        SparsePlus(x) SparseSigmoid(x) Sparsemax(x axis*) Squareplus(x b*) TanhShrink(x)
        Threshold(x threshold* default_value*) Unfold(x kernel_size* dilation* padding* stride*)
    """,
    "math": """
        CDist=cdist(x y) Erf(x) Erfc(x) Erfinv(x) ExtractSequences(x sequence_length* sequence_stride*) FFT(x) FFT2(x)
        IFFT2(x) IRFFT(x fft_length*) ISTFT(x sequence_length* sequence_stride* fft_length* length* window* center*)
        InTopK(targets predictions k*) Logdet(x) Logsumexp(x axis* keepdims*) RFFT(x fft_length*) Rsqrt(x)
        STFT(x sequence_length* sequence_stride* fft_length* window* center*)
        SegmentMax(data segment_ids num_segments* sorted*) SegmentMin(data segment_ids num_segments* sorted*)
        SegmentProd(data segment_ids num_segments* sorted*) SegmentSum(data segment_ids num_segments* sorted*)
        TopK(x k* sorted*) ViewAsComplex(x) ViewAsReal(x)
    """,
    "core": """
        AssociativeScan(f elems reverse* axis*) Cast(x dtype*) Cond(pred true_fn false_fn)
        ConvertToTensor(x dtype* sparse* ragged*) ForiLoop(lower* upper* body_fun* init_val) Map(f xs)
        SaturateCast(x dtype*) Scan(f init xs length* reverse* unroll*) Scatter(indices values shape*)
        ScatterUpdate(inputs indices updates reduction*) Slice(inputs start_indices shape*)
        SliceUpdate(inputs start_indices updates) StopGradient(variable) Switch(index branches operands)
        Unstack(x num* axis*) VectorizedMap(function* elements) WhileLoop(cond* body* loop_vars maximum_iterations*)
    """,
    "linalg": """
        Cholesky(x upper*) CholeskyInverse(x upper*) Det(x) Eig(x) Eigh(x) Inv(x) JVP(fun primals tangents has_aux*)
        Lstsq(a b rcond*) LuFactor(x) MatrixRank(x tol*) Norm(x ord* axis* keepdims*) Pinv(x rcond*) Qr(x mode*)
        SVD(x full_matrices* compute_uv*) Solve(a b) SolveTriangular(a b lower*)
    """,
    "einops": """
        Rearrange(tensor pattern axes_lengths)
    """,
}
_MODULE = "keras.src.ops."


@functools.cache
def _rows() -> tuple[dict[str, tuple[str, str, list[str], set[str]]], dict[tuple[str, str], str]]:
    """By function: (module, class, arguments, those in the config); and the functions by (module, class)."""
    from tahr.keras.backend.state import to_snake_case

    by_function: dict[str, tuple[str, str, list[str], set[str]]] = {}
    by_class: dict[tuple[str, str], str] = {}
    for module, text in _TABLE.items():
        for cls, function, arguments in re.findall(r"(\w+)(?:=(\w+))?\(([^)]*)\)", text):
            function = function or to_snake_case(cls)
            names = arguments.split()
            row = (module, cls, [n.rstrip("*") for n in names], {n[:-1] for n in names if n.endswith("*")})
            by_function[function] = row
            by_class[module, cls] = function
    return by_function, by_class


def describe(op: Any, node: Any) -> tuple[dict[str, Any], list[Any], dict[str, Any]] | None:
    """(config, arguments, keyword arguments) as Keras would write the call `node` of the OpCall `op`; None for an op
    that Keras does not have in this form."""
    from tahr.keras.backend.keras_tensor import any_symbolic
    from tahr.keras.saving.serialization import serialize_keras_object

    row = _rows()[0].get(op.op)
    if row is None:
        return None
    module, cls, names, fixed = row
    if len(node.args) > len(names) and names[-1] != "operands":
        return None
    given = {**dict(zip(names, node.args)), **node.kwargs}
    if any_symbolic([v for k, v in given.items() if k in fixed]):
        return None
    args: list[Any] = []
    config: dict[str, Any] = {"name": op.name}
    for i, value in enumerate(node.args):
        if i < len(names) and names[i] in fixed:
            config[names[i]] = serialize_keras_object(value)
        else:
            args.append(value)
    kwargs = {}
    for name, value in {**op.fixed, **node.kwargs}.items():
        if name in fixed:
            config[name] = serialize_keras_object(value)
        elif name in names:
            kwargs[name] = value
        else:
            return None
    return {"module": _MODULE + module, "class_name": cls, "config": config, "registered_name": cls}, args, kwargs


_SHOWN = {  # ops whose calls Keras shows under another class than that of their name, or spells otherwise
    "abs": "Absolute",
    "conj": "Conjugate",
    "hard_swish": "HardSilu",
    "hsv_to_rgb": "HSVToRGB",
    "layer_normalization": "LayerNorm",
    "rgb_to_grayscale": "RGBToGrayscale",
    "rgb_to_hsv": "RGBToHSV",
    "rms_normalization": "RMSNorm",
    "swish": "Silu",
}


def class_name(op: Any) -> str:
    """The class of a layer or of a call of an op as Keras's summaries show it."""
    from tahr.keras.ops import OpCall

    return op_class(op.op) if isinstance(op, OpCall) else type(op).__name__


def op_class(op: str) -> str:
    """The class that Keras has for an op, after which its calls are named; made of the op's name if there is none."""
    function = op.rpartition(".")[2]
    row = _rows()[0].get(op)
    return _SHOWN.get(function) or (row[1] if row else "".join(part.capitalize() for part in function.split("_")))


def argument_names(function: str) -> list[str]:
    """The arguments of an op of Keras, in order; none if Keras lacks it."""
    row = _rows()[0].get(function)
    return [] if row is None else row[2]


def is_op(config: dict[str, Any]) -> bool:
    """Whether `config` is that of an op that Keras wrote."""
    module = config.get("module")
    known = isinstance(module, str) and module.startswith(_MODULE)
    return known and (module[len(_MODULE) :], config["class_name"]) in _rows()[1]  # type: ignore[index]


def operation(module: str, class_name: str, arguments: dict[str, Any]) -> Any:
    """The OpCall for an op that Keras wrote, with the arguments of its config."""
    from tahr.keras.ops import OpCall

    function = _rows()[1][module[len(_MODULE) :], class_name]
    fixed = dict(arguments)
    return OpCall(function, name=fixed.pop("name", None), fixed=fixed)


def find_unnamed(config: dict[str, Any]) -> str | None:
    """The module of the op class that a config without module names, as in `.h5` files of Keras 3."""
    for module in _TABLE:
        if (module, config.get("class_name")) in _rows()[1]:
            return _MODULE + module
    return None
