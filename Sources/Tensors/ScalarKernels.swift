import CKernels
import COpenBLAS

typealias BlasInt = Int32

extension Float: Scalar {
    public static func gemm(
        transposeA: Bool, transposeB: Bool, rows: Int, columns: Int, depth: Int, alpha: Float, a: Pointer, aStride: Int,
        b: Pointer,
        bStride: Int, beta: Float, c: Pointer, cStride: Int
    ) {
        _ = Blas.ready
        cblas_sgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
            BlasInt(rows),
            BlasInt(columns), BlasInt(depth), alpha, a, BlasInt(aStride), b, BlasInt(bStride), beta, c, BlasInt(cStride)
        )
    }
    public static func product(
        rows: Int, columns: Int, depth: Int, a: Pointer, aStride: Int, b: Pointer, bStride: Int, c: Pointer,
        cStride: Int
    ) { pk_product(rows, columns, depth, a, aStride, b, bStride, c, cStride) }
    public static func siluForward(_ x: Pointer, _ y: Pointer, _ n: Int) { pk_silu_forward_f32(x, y, n) }
    public static func siluBackward(_ x: Pointer, _ dy: Pointer, _ dx: Pointer, _ n: Int) {
        pk_silu_backward_f32(x, dy, dx, n)
    }
    public static func bias(_ y: Pointer, _ bias: Pointer, _ rows: Int, _ columns: Int) {
        pk_bias_f32(y, bias, rows, columns)
    }
    public static func biasBackward(_ dy: Pointer, _ dbias: Pointer, _ rows: Int, _ columns: Int) {
        pk_bias_backward_f32(dy, dbias, rows, columns)
    }
    public static func normForward(
        _ x: Pointer, _ scale: Pointer, _ shift: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ y: Pointer,
        _ stats: Pointer,
        _ rows: Int, _ columns: Int
    ) { pk_norm_forward_f32(x, scale, shift, group, stride, y, stats, rows, columns) }
    public static func normBackward(
        _ x: Pointer, _ scale: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ stats: Pointer, _ dy: Pointer,
        _ dx: Pointer,
        _ dscale: Pointer, _ dshift: Pointer, _ rows: Int, _ columns: Int
    ) { pk_norm_backward_f32(x, scale, group, stride, stats, dy, dx, dscale, dshift, rows, columns) }
    public static func gateForward(
        _ x: Pointer, _ h: Pointer, _ gate: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ y: Pointer,
        _ rows: Int,
        _ columns: Int
    ) { pk_gate_forward_f32(x, h, gate, group, stride, y, rows, columns) }
    public static func gateBackward(
        _ h: Pointer, _ gate: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ dy: Pointer, _ dx: Pointer,
        _ dh: Pointer,
        _ dgate: Pointer, _ rows: Int, _ columns: Int
    ) { pk_gate_backward_f32(h, gate, group, stride, dy, dx, dh, dgate, rows, columns) }
    public static func attentionForward(
        _ q: Pointer, _ k: Pointer, _ v: Pointer, _ qStride: Int, _ kStride: Int, _ segments: UnsafePointer<pk_segment>,
        _ count: Int,
        _ heads: Int, _ headWidth: Int, _ mask: UnsafePointer<UInt8>?, _ out: Pointer, _ outStride: Int,
        _ probabilities: Pointer?
    ) {
        if headWidth == 16 {
            return pk_attention16(
                0, q, k, v, qStride, kStride, segments, count, heads, mask, out, outStride, probabilities)
        }
        pk_attention_forward_f32(
            q, k, v, qStride, kStride, segments, count, heads, headWidth, mask, out, outStride, probabilities)
    }
    public static func attentionAlong(
        _ q: Pointer, _ k: UnsafePointer<Float>, _ v: UnsafePointer<Float>, _ qStride: Int, _ kStride: Int,
        _ segments: UnsafePointer<pk_segment>, _ count: Int, _ list: UnsafePointer<Int32>, _ heads: Int,
        _ headWidth: Int, _ out: Pointer, _ outStride: Int
    ) {
        if headWidth == 16 {
            return pk_attention16_along(0, q, k, v, qStride, kStride, segments, count, list, heads, out, outStride)
        }
        plainAttentionAlong(q, k, v, qStride, kStride, segments, count, list, heads, headWidth, out, outStride)
    }
    public static func attentionBackward(
        _ q: Pointer, _ k: Pointer, _ v: Pointer, _ qStride: Int, _ kStride: Int, _ segments: UnsafePointer<pk_segment>,
        _ count: Int,
        _ heads: Int, _ headWidth: Int, _ probabilities: Pointer, _ dout: Pointer, _ outStride: Int, _ dq: Pointer,
        _ qWritten: Bool, _ dk: Pointer,
        _ dv: Pointer, _ kWritten: Bool
    ) {
        if headWidth == 16 {
            return pk_attention16_backward(
                0, q, k, v, qStride, kStride, segments, count, heads, probabilities, dout, outStride, dq,
                qWritten ? 1 : 0, dk, dv, kWritten ? 1 : 0)
        }
        pk_attention_backward_f32(
            q, k, v, qStride, kStride, segments, count, heads, headWidth, probabilities, dout, outStride, dq, dk, dv)
    }
    public static func attentionSaved(
        _ segments: UnsafePointer<pk_segment>, _ count: Int, _ heads: Int, _ headWidth: Int
    ) -> Int {
        headWidth == 16 ? pk_attention16_kept(0, segments, count, heads) : pk_attention_saved(segments, count, heads)
    }
    public static func attentionWrites(_ headWidth: Int) -> Bool { headWidth == 16 }
    public static func axpy(_ a: Float, _ x: Pointer, _ y: Pointer, _ n: Int) { pk_axpy_f32(a, x, y, n) }
    public static func sumOfSquares(_ x: Pointer, _ n: Int) -> Double { pk_sum_of_squares_f32(x, n) }
}

extension Double: Scalar {
    public static func gemm(
        transposeA: Bool, transposeB: Bool, rows: Int, columns: Int, depth: Int, alpha: Double, a: Pointer,
        aStride: Int, b: Pointer,
        bStride: Int, beta: Double, c: Pointer, cStride: Int
    ) {
        _ = Blas.ready
        cblas_dgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
            BlasInt(rows),
            BlasInt(columns), BlasInt(depth), alpha, a, BlasInt(aStride), b, BlasInt(bStride), beta, c, BlasInt(cStride)
        )
    }
    public static func product(
        rows: Int, columns: Int, depth: Int, a: Pointer, aStride: Int, b: Pointer, bStride: Int, c: Pointer,
        cStride: Int
    ) {
        gemm(
            transposeA: false, transposeB: false, rows: rows, columns: columns, depth: depth, alpha: 1, a: a,
            aStride: aStride, b: b, bStride: bStride,
            beta: 0, c: c, cStride: cStride)
    }
    public static func dense(
        _ layer: PackedLayers.Layer, rows: Int, x: Pointer, norm: Normalisation<Double>?, silu: Bool,
        onto residual: Residual<Double>?, y: Pointer
    ) {
        preconditionFailure("layers are laid out for Float only")
    }
    public static func siluForward(_ x: Pointer, _ y: Pointer, _ n: Int) { pk_silu_forward_f64(x, y, n) }
    public static func siluBackward(_ x: Pointer, _ dy: Pointer, _ dx: Pointer, _ n: Int) {
        pk_silu_backward_f64(x, dy, dx, n)
    }
    public static func bias(_ y: Pointer, _ bias: Pointer, _ rows: Int, _ columns: Int) {
        pk_bias_f64(y, bias, rows, columns)
    }
    public static func biasBackward(_ dy: Pointer, _ dbias: Pointer, _ rows: Int, _ columns: Int) {
        pk_bias_backward_f64(dy, dbias, rows, columns)
    }
    public static func normForward(
        _ x: Pointer, _ scale: Pointer, _ shift: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ y: Pointer,
        _ stats: Pointer,
        _ rows: Int, _ columns: Int
    ) { pk_norm_forward_f64(x, scale, shift, group, stride, y, stats, rows, columns) }
    public static func normBackward(
        _ x: Pointer, _ scale: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ stats: Pointer, _ dy: Pointer,
        _ dx: Pointer,
        _ dscale: Pointer, _ dshift: Pointer, _ rows: Int, _ columns: Int
    ) { pk_norm_backward_f64(x, scale, group, stride, stats, dy, dx, dscale, dshift, rows, columns) }
    public static func gateForward(
        _ x: Pointer, _ h: Pointer, _ gate: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ y: Pointer,
        _ rows: Int,
        _ columns: Int
    ) { pk_gate_forward_f64(x, h, gate, group, stride, y, rows, columns) }
    public static func gateBackward(
        _ h: Pointer, _ gate: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ dy: Pointer, _ dx: Pointer,
        _ dh: Pointer,
        _ dgate: Pointer, _ rows: Int, _ columns: Int
    ) { pk_gate_backward_f64(h, gate, group, stride, dy, dx, dh, dgate, rows, columns) }
    public static func attentionForward(
        _ q: Pointer, _ k: Pointer, _ v: Pointer, _ qStride: Int, _ kStride: Int, _ segments: UnsafePointer<pk_segment>,
        _ count: Int,
        _ heads: Int, _ headWidth: Int, _ mask: UnsafePointer<UInt8>?, _ out: Pointer, _ outStride: Int,
        _ probabilities: Pointer?
    ) {
        pk_attention_forward_f64(
            q, k, v, qStride, kStride, segments, count, heads, headWidth, mask, out, outStride, probabilities)
    }
    public static func attentionAlong(
        _ q: Pointer, _ k: UnsafePointer<Double>, _ v: UnsafePointer<Double>, _ qStride: Int, _ kStride: Int,
        _ segments: UnsafePointer<pk_segment>, _ count: Int, _ list: UnsafePointer<Int32>, _ heads: Int,
        _ headWidth: Int, _ out: Pointer, _ outStride: Int
    ) { plainAttentionAlong(q, k, v, qStride, kStride, segments, count, list, heads, headWidth, out, outStride) }
    public static func attentionBackward(
        _ q: Pointer, _ k: Pointer, _ v: Pointer, _ qStride: Int, _ kStride: Int, _ segments: UnsafePointer<pk_segment>,
        _ count: Int,
        _ heads: Int, _ headWidth: Int, _ probabilities: Pointer, _ dout: Pointer, _ outStride: Int, _ dq: Pointer,
        _ qWritten: Bool, _ dk: Pointer,
        _ dv: Pointer, _ kWritten: Bool
    ) {
        pk_attention_backward_f64(
            q, k, v, qStride, kStride, segments, count, heads, headWidth, probabilities, dout, outStride, dq, dk, dv)
    }
    public static func attentionSaved(
        _ segments: UnsafePointer<pk_segment>, _ count: Int, _ heads: Int, _ headWidth: Int
    ) -> Int {
        pk_attention_saved(segments, count, heads)
    }
    public static func attentionWrites(_ headWidth: Int) -> Bool { false }
    public static func axpy(_ a: Double, _ x: Pointer, _ y: Pointer, _ n: Int) { pk_axpy_f64(a, x, y, n) }
    public static func sumOfSquares(_ x: Pointer, _ n: Int) -> Double { pk_sum_of_squares_f64(x, n) }
}
