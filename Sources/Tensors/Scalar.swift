import CKernels
import COpenBLAS
import Foundation

/// The element type of a tensor: `Float` for work, `Double` for checking gradients against finite differences.
///
/// Each requirement names one inner loop; the loops themselves are compiled C (CKernels, OpenBLAS), so that code
/// generic over `Scalar` costs nothing per element.
public protocol Scalar: BinaryFloatingPoint, Sendable {
    typealias Pointer = UnsafeMutablePointer<Self>

    /// C = α op(A) op(B) + β C, row-major; op(A) is rows × depth, op(B) is depth × columns.
    static func gemm(
        transposeA: Bool, transposeB: Bool, rows: Int, columns: Int, depth: Int, alpha: Self, a: Pointer, aStride: Int,
        b: Pointer,
        bStride: Int, beta: Self, c: Pointer, cStride: Int)
    /// C = A B, for B of a layer's size: in `Float` by a kernel whose rows do not depend on each other's number.
    static func product(
        rows: Int, columns: Int, depth: Int, a: Pointer, aStride: Int, b: Pointer, bStride: Int, c: Pointer,
        cStride: Int)
    /// y = r + (1 + gate) f(n(x) W + b) of a laid-out layer, as `Tape.dense` has it. `Float` only.
    static func dense(
        _ layer: PackedLayers.Layer, rows: Int, x: Pointer, norm: Normalisation<Self>?, silu: Bool,
        onto residual: Residual<Self>?, y: Pointer)
    static func siluForward(_ x: Pointer, _ y: Pointer, _ n: Int)
    static func siluBackward(_ x: Pointer, _ dy: Pointer, _ dx: Pointer, _ n: Int)
    static func bias(_ y: Pointer, _ bias: Pointer, _ rows: Int, _ columns: Int)
    static func biasBackward(_ dy: Pointer, _ dbias: Pointer, _ rows: Int, _ columns: Int)
    static func normForward(
        _ x: Pointer, _ scale: Pointer, _ shift: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ y: Pointer,
        _ stats: Pointer,
        _ rows: Int, _ columns: Int)
    static func normBackward(
        _ x: Pointer, _ scale: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ stats: Pointer, _ dy: Pointer,
        _ dx: Pointer,
        _ dscale: Pointer, _ dshift: Pointer, _ rows: Int, _ columns: Int)
    static func gateForward(
        _ x: Pointer, _ h: Pointer, _ gate: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ y: Pointer,
        _ rows: Int,
        _ columns: Int)
    static func gateBackward(
        _ h: Pointer, _ gate: Pointer, _ group: UnsafePointer<Int32>?, _ stride: Int, _ dy: Pointer, _ dx: Pointer,
        _ dh: Pointer,
        _ dgate: Pointer, _ rows: Int, _ columns: Int)
    static func attentionForward(
        _ q: Pointer, _ k: Pointer, _ v: Pointer, _ qStride: Int, _ kStride: Int, _ segments: UnsafePointer<pk_segment>,
        _ count: Int,
        _ heads: Int, _ headWidth: Int, _ mask: UnsafePointer<UInt8>?, _ out: Pointer, _ outStride: Int,
        _ probabilities: Pointer?)
    /// Single queries, whose keys are the rows that `list` has from k0 on.
    static func attentionAlong(
        _ q: Pointer, _ k: UnsafePointer<Self>, _ v: UnsafePointer<Self>, _ qStride: Int, _ kStride: Int,
        _ segments: UnsafePointer<pk_segment>, _ count: Int, _ list: UnsafePointer<Int32>, _ heads: Int,
        _ headWidth: Int, _ out: Pointer, _ outStride: Int)
    /// Adds to dq, dk and dv, or, where `attentionWrites`, writes what is said to be written.
    static func attentionBackward(
        _ q: Pointer, _ k: Pointer, _ v: Pointer, _ qStride: Int, _ kStride: Int, _ segments: UnsafePointer<pk_segment>,
        _ count: Int,
        _ heads: Int, _ headWidth: Int, _ probabilities: Pointer, _ dout: Pointer, _ outStride: Int, _ dq: Pointer,
        _ qWritten: Bool, _ dk: Pointer,
        _ dv: Pointer, _ kWritten: Bool)
    /// Elements that `attentionForward` keeps for `attentionBackward`.
    static func attentionSaved(_ segments: UnsafePointer<pk_segment>, _ count: Int, _ heads: Int, _ headWidth: Int)
        -> Int
    /// Whether `attentionBackward` can write.
    static func attentionWrites(_ headWidth: Int) -> Bool
    static func axpy(_ a: Self, _ x: Pointer, _ y: Pointer, _ n: Int)
    static func sumOfSquares(_ x: Pointer, _ n: Int) -> Double
}

extension Scalar {
    /// The definition of `attentionAlong`.
    static func plainAttentionAlong(
        _ q: Pointer, _ k: UnsafePointer<Self>, _ v: UnsafePointer<Self>, _ qStride: Int, _ kStride: Int,
        _ segments: UnsafePointer<pk_segment>, _ count: Int, _ list: UnsafePointer<Int32>, _ heads: Int,
        _ headWidth: Int, _ out: Pointer, _ outStride: Int
    ) {
        let scale = 1 / Double(headWidth).squareRoot()
        for segment in UnsafeBufferPointer(start: segments, count: count) {
            let keys = segment.keys.map { Int(list[$0]) }, row = Int(segment.q0)
            for h in 0..<heads {
                let own = q + row * qStride + h * headWidth, to = out + row * outStride + h * headWidth
                var weights = keys.map { key in
                    scale * (0..<headWidth).reduce(0) { $0 + Double(own[$1] * k[key * kStride + h * headWidth + $1]) }
                }
                let peak = weights.max() ?? 0
                weights = weights.map { exp($0 - peak) }
                let total = weights.reduce(0, +)
                for d in 0..<headWidth {
                    to[d] = zip(keys, weights).reduce(0) {
                        $0 + Self($1.1 / total) * v[$1.0 * kStride + h * headWidth + d]
                    }
                }
            }
        }
    }
}

/// Rows of one attention problem within the query and key matrices.
public typealias AttentionSegment = pk_segment

extension AttentionSegment {
    var queries: Range<Int> { Int(q0)..<Int(q0 + nq) }
    var keys: Range<Int> { Int(k0)..<Int(k0 + nk) }

    public init(queries: Range<Int>, keys: Range<Int>) {
        self.init(
            q0: Int32(queries.lowerBound), nq: Int32(queries.count), k0: Int32(keys.lowerBound), nk: Int32(keys.count))
    }
}

extension UnsafeBufferPointer<AttentionSegment> {
    /// Whether the segments' queries or keys are the rows 0 ..< rows, each once and in order, and none of the segments
    /// lacks either.
    func separate(_ part: (AttentionSegment) -> Range<Int>, _ rows: Int) -> Bool {
        var next = 0
        for s in self {
            guard part(s).lowerBound == next, s.nq > 0, s.nk > 0 else { return false }
            next = part(s).upperBound
        }
        return next == rows
    }
}
