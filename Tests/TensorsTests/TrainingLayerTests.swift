import CKernels
import Foundation
import Testing

@testable import Tensors

/// Layers of training, of every kind this processor has, against plain loops in double precision.
@Suite struct TrainingLayerTests {
    private static let kinds: [UInt32] = [PK_TRAIN_4, PK_TRAIN_8, PK_TRAIN_16, PK_TRAIN_BF16, PK_TRAIN_HALF].filter {
        pk_train_has($0) != 0
    }.map(\.rawValue)

    /// √(Σ (a − b)² / Σ b²) of what a kind computes, at most. Operands of 8 bits are off by 2⁻⁹/√3 each, those of 11 by
    /// an eighth of that, and short sums in half precision by as much again; a chain of two products doubles that.
    private static func bound(_ kind: UInt32) -> Double {
        kind == PK_TRAIN_BF16.rawValue ? 5e-3 : kind == PK_TRAIN_HALF.rawValue ? 2e-3 : 1e-6
    }

    private struct Options {
        var norm = false, silu = false, residual = false, gate = false, grouped = false, written = false
    }

    private struct Results {
        var y: [Double], dx: [Double], dw: [Double], db: [Double], modulation: [Double]
    }

    /// A layer with everything that may stand around it: groups' rows of scale, shift and gate in one matrix.
    private struct Layer {
        let rows: Int, depth: Int, columns: Int, groups = 3
        let x: [Float], w: [Float], b: [Float], modulation: [Float], residual: [Float], dy: [Float], group: [Int32],
            start: [Float]

        init(_ rows: Int, _ depth: Int, _ columns: Int, gradient: Double = 1e-3) {
            (self.rows, self.depth, self.columns) = (rows, depth, columns)
            var noise = Noise(state: UInt64(rows * 7919 + depth * 1009 + columns))
            func array(_ n: Int, _ size: Double) -> [Float] { (0..<n).map { _ in Float(size * noise.next()) } }
            x = array(rows * depth, 2)
            w = array(depth * columns, 1 / Double(depth).squareRoot())
            b = array(columns, 1)
            modulation = array(groups * (2 * depth + columns), 0.5)
            residual = array(rows * columns, 1)
            dy = array(rows * columns, gradient)
            group = (0..<rows).map { Int32($0 / 5 % 3) }
            start = array(max(rows, columns) * depth + groups * (2 * depth + columns) + columns, gradient)
        }

        private var pitch: Int { 2 * depth + columns }

        func plain(_ o: Options) -> Results {
            var r = Results(
                y: Array(repeating: 0, count: rows * columns),
                dx: (0..<rows * depth).map { o.written ? 0 : Double(start[$0]) },
                dw: (0..<depth * columns).map { Double(start[$0]) }, db: (0..<columns).map { Double(start[$0]) },
                modulation: modulation.indices.map { Double(start[$0]) })
            for i in 0..<rows {
                let at = o.grouped ? Int(group[i]) * pitch : 0, row = (0..<depth).map { Double(x[i * depth + $0]) }
                let mean = row.reduce(0, +) / Double(depth),
                    variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(depth)
                let root = 1 / (variance + 1e-5).squareRoot(), normal = row.map { ($0 - mean) * root }
                func factor(_ k: Int) -> Double { 1 + Double(modulation[at + k]) }
                let n = o.norm ? (0..<depth).map { normal[$0] * factor($0) + Double(modulation[at + depth + $0]) } : row
                var dn = [Double](repeating: 0, count: depth)
                for j in 0..<columns {
                    var z = Double(b[j]), slope = 1.0
                    for k in 0..<depth { z += n[k] * Double(w[k * columns + j]) }
                    if o.silu {
                        let s = 1 / (1 + exp(-z))
                        slope = s * (1 + z * (1 - s))
                        z *= s
                    }
                    let gate = o.gate ? 1 + Double(modulation[at + 2 * depth + j]) : 1
                    r.y[i * columns + j] = (o.residual ? Double(residual[i * columns + j]) : 0) + gate * z
                    var d = Double(dy[i * columns + j])
                    if o.gate { r.modulation[at + 2 * depth + j] += d * z }
                    d *= gate * slope
                    r.db[j] += d
                    for k in 0..<depth {
                        r.dw[k * columns + j] += d * n[k]
                        dn[k] += d * Double(w[k * columns + j])
                    }
                }
                if o.norm {
                    for k in 0..<depth {
                        r.modulation[at + k] += dn[k] * normal[k]
                        r.modulation[at + depth + k] += dn[k]
                        dn[k] *= factor(k)
                    }
                    let a = dn.reduce(0, +) / Double(depth),
                        along = zip(dn, normal).reduce(0) { $0 + $1.0 * $1.1 } / Double(depth)
                    for k in 0..<depth { dn[k] = root * (dn[k] - a - normal[k] * along) }
                }
                for k in 0..<depth { r.dx[i * depth + k] += dn[k] }
            }
            return r
        }

        func run(_ kind: UInt32, _ o: Options) -> Results {
            let kind = pk_train_kind(kind)
            func memory(_ n: Int, _ content: ArraySlice<Float>? = nil) -> UnsafeMutablePointer<Float> {
                let p = UnsafeMutableRawPointer.allocate(byteCount: 4 * max(n, 1), alignment: 64).bindMemory(
                    to: Float.self, capacity: n)
                for i in 0..<n { p[i] = content.map { $0[$0.startIndex + i] } ?? .nan }
                return p
            }
            var owned: [UnsafeMutablePointer<Float>] = []
            func take(_ n: Int, _ content: ArraySlice<Float>? = nil) -> UnsafeMutablePointer<Float> {
                owned.append(memory(n, content))
                return owned.last!
            }
            defer { for p in owned { UnsafeMutableRawPointer(p).deallocate() } }
            let forward = take(pk_train_size(kind, depth, columns, 0)),
                backward = take(pk_train_size(kind, depth, columns, 1))
            // NaN everywhere that nothing was written to: whatever is read of it shows.
            let scratch = take(pk_train_scratch(kind, depth, columns) / 4)
            pk_train_pack(kind, depth, columns, 0, w, b, forward)
            pk_train_pack(kind, depth, columns, 1, w, nil, backward)
            var l = pk_train_layer()
            (l.rows, l.depth, l.columns, l.silu, l.dx_written) = (
                rows, depth, columns, o.silu ? 1 : 0, o.written ? 1 : 0
            )
            l.x = UnsafePointer(take(x.count, x[...]))
            l.dy = UnsafePointer(take(dy.count, dy[...]))
            l.y = take(rows * columns)
            l.kept = take(pk_train_kept(kind, rows, depth))
            l.dx = take(rows * depth, o.written ? nil : start[..<(rows * depth)])
            l.dw = take(depth * columns, start[..<(depth * columns)])
            l.db = take(columns, start[..<columns])
            let m = take(modulation.count, modulation[...]), dm = take(modulation.count, start[..<modulation.count])
            if o.norm {
                (l.scale, l.shift, l.norm_stride, l.stats) = (
                    UnsafePointer(m), UnsafePointer(m + depth), pitch, take(2 * rows)
                )
                (l.dscale, l.dshift) = (dm, dm + depth)
            }
            if o.silu { l.slope = take(rows * columns) }
            if o.residual { l.residual = UnsafePointer(take(residual.count, residual[...])) }
            if o.gate {
                (l.gate, l.gate_stride, l.ungated, l.dgate) = (
                    UnsafePointer(m + 2 * depth), pitch, take(rows * columns), dm + 2 * depth
                )
            }
            return group.withUnsafeBufferPointer { group in
                if o.grouped { (l.norm_group, l.gate_group) = (group.baseAddress, group.baseAddress) }
                pk_train_forward(kind, &l, forward, scratch)
                pk_train_backward(kind, &l, backward, scratch)
                func array(_ p: UnsafeMutablePointer<Float>, _ n: Int) -> [Double] { (0..<n).map { Double(p[$0]) } }
                return Results(
                    y: array(l.y, rows * columns), dx: array(l.dx, rows * depth), dw: array(l.dw, depth * columns),
                    db: array(l.db, columns),
                    modulation: array(dm, modulation.count))
            }
        }
    }

    /// √(Σ (a − b)² / Σ b²); NaN where one of a is.
    private static func distance(_ a: [Double], _ b: [Double]) -> Double {
        (zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / (b.reduce(0) { $0 + $1 * $1 } + 1e-30))
            .squareRoot()
    }

    private static let options = [
        Options(), Options(norm: true, written: true), Options(norm: true, silu: true), Options(residual: true),
        Options(residual: true, gate: true, grouped: true, written: true),
        Options(norm: true, silu: true, residual: true, gate: true, grouped: true),
        Options(silu: true, written: true), Options(norm: true, residual: true, gate: true),
    ]

    /// Sizes around the blocks' and tiles' edges.
    @Test(
        arguments: kinds,
        [
            (1, 1, 1), (7, 20, 64), (50, 33, 11), (131, 64, 192), (256, 64, 256), (129, 256, 64), (20, 300, 40),
            (3, 5, 3), (127, 48, 80),
        ])
    func equalsPlainLoops(_ kind: UInt32, _ size: (rows: Int, depth: Int, columns: Int)) {
        let layer = Layer(size.rows, size.depth, size.columns), bound = Self.bound(kind)
        for o in Self.options {
            let found = layer.run(kind, o), exact = layer.plain(o)
            // One or two inputs normalised leave no gradient but rounding.
            let smooth = !o.norm || size.depth > 2
            for (name, a, b) in [
                ("y", found.y, exact.y), ("dx", found.dx, smooth ? exact.dx : found.dx), ("dw", found.dw, exact.dw),
                ("db", found.db, exact.db),
                ("modulation", found.modulation, exact.modulation),
            ] {
                let distance = Self.distance(a, b)
                #expect(
                    distance <= bound,
                    """
                    \(name): norm \(o.norm), silu \(o.silu), residual \(o.residual), gate \(o.gate), written \
                    \(o.written)
                    """
                )
            }
        }
    }

    /// Gradients as small and as large as single precision holds do as well as others: half precision scales every
    /// block.
    @Test(arguments: kinds, [1e-30, 1e-12, 1, 1e12])
    func gradientsOfAnySize(_ kind: UInt32, _ size: Double) {
        let layer = Layer(131, 64, 64, gradient: size), o = Options(silu: true)
        let found = layer.run(kind, o), exact = layer.plain(o)
        #expect(Self.distance(found.dx.map { $0 / size }, exact.dx.map { $0 / size }) <= Self.bound(kind))
        #expect(Self.distance(found.dw.map { $0 / size }, exact.dw.map { $0 / size }) <= Self.bound(kind))
    }

    /// Narrow operands are rounded: were they kept in single precision, the bounds above would be met a thousandfold.
    @Test(arguments: kinds) func narrowKindsAreNarrow(_ kind: UInt32) {
        let layer = Layer(64, 64, 64), distance = Self.distance(layer.run(kind, Options()).y, layer.plain(Options()).y)
        #expect((distance > 1e-4) == (kind == PK_TRAIN_BF16.rawValue || kind == PK_TRAIN_HALF.rawValue))
    }
}
