import Foundation
import Parallel
import Volumes

extension OrientationTest {
    /// Tests the table of a scan.
    ///
    /// Speed: about 3 µs a voxel on one core (65 volumes).
    /// - Parameters:
    ///   - signals: V × M raw values of the mask's voxels; they may hold anything.
    ///   - acquisition: with directions in the scanner's frame.
    ///   - frame: the frame of the table, whose axes are changed: FSL's bvecs follow the image's axes, MRtrix's the
    ///     scanner's.
    ///   - threads: how many share the work; it does not change the result.
    /// - Errors: `GradientTableError.singularAffine`.
    public init(
        signals: [Float], mask: Mask, acquisition: Acquisition, frame: GradientTable.Frame = .fsl, threads: Int = 1
    ) throws {
        let affine = mask.geometry.affine
        let conversion = try FrameConversion(affine3x3: (0..<9).map { affine[$0 / 3, $0 % 3] })
        func intoTable(_ v: SIMD3<Double>) -> SIMD3<Double> { frame == .fsl ? conversion.fsl(fromScanner: v) : v }
        let field = FibreField(
            signals: signals, mask: mask, acquisition: acquisition, threads: threads, intoTable: intoTable)
        let steps = FibreSteps(affine: affine, sizes: mask.geometry.voxelSizes, intoTable: intoTable)
        let totals = BlockTotals(field, steps, threads: threads)
        (candidates, voxels, blocks, isSolid) = (totals.ranked(), totals.voxels, totals.blocks.count, totals.isSolid)
    }
}

/// Fibre axes and anisotropies of a scan's voxels, in the frame of its gradient table.
private struct FibreField {
    let shape: [Int]
    /// The mask's places in the grid, ascending, and for each place of the grid its position among them or −1.
    let places: [Int], position: [Int32]
    /// Axes (unit) and anisotropies; 0 where there is no tissue.
    let axes: [SIMD3<Double>], anisotropy: [Double]

    /// Mean diffusivities of tissue, µm²/ms: fixed tissue lies at the lower end, that of newborns at the upper; free
    /// water is above.
    static let tissue = 0.05...1.8

    init(
        signals: [Float], mask: Mask, acquisition: Acquisition, threads: Int,
        intoTable: (SIMD3<Double>) -> SIMD3<Double>
    ) {
        shape = mask.geometry.spatialShape
        let places = mask.indices, m = acquisition.count, tables = acquisition.tables
        let unweighted = acquisition.unweightedIndices
        var position = [Int32](repeating: -1, count: mask.geometry.voxelsPerVolume)
        for (v, place) in places.enumerated() { position[place] = Int32(v) }
        var axes = [SIMD3<Double>](repeating: .zero, count: places.count),
            anisotropy = [Double](repeating: 0, count: places.count)
        let turn = (0..<3).map { r in intoTable(SIMD3(r == 0 ? 1 : 0, r == 1 ? 1 : 0, r == 2 ? 1 : 0)) }
        axes.withUnsafeMutableBufferPointer { axes in
            anisotropy.withUnsafeMutableBufferPointer { anisotropy in
                nonisolated(unsafe) let axes = axes, anisotropy = anisotropy
                forEachRange(of: places.count, threads: threads) { range in
                    var y = [Float](repeating: 0, count: m)
                    for k in range {
                        let start = k * m
                        let mean = unweighted.reduce(0) { $0 + signals[start + $1] } / Float(unweighted.count)
                        guard mean > 0, mean.isFinite else { continue }
                        for i in 0..<m { y[i] = signals[start + i] / mean }
                        guard y.allSatisfy(\.isFinite) else { continue }
                        let tensor = QuickTensor.fit(y, tables), d = tensor.eigenvalues, mean3 = d.sum() / 3
                        guard Self.tissue.contains(mean3) else { continue }
                        let e = tensor.axes.0, spread = d - SIMD3(repeating: mean3)
                        axes[k] = e.x * turn[0] + e.y * turn[1] + e.z * turn[2]
                        anisotropy[k] = (1.5 * (spread * spread).sum() / (d * d).sum()).squareRoot()
                    }
                }
            }
        }
        (self.axes, self.anisotropy, self.position, self.places) = (axes, anisotropy, position, places)
    }
}

/// The thirteen pairs of opposite neighbours of a voxel.
private struct FibreSteps {
    /// Steps on the grid, and 1/d² of each.
    let offsets: [SIMD3<Int>], nearness: [Double]
    /// Tᵀu of every change and step, so that |T e · u| = |e · Tᵀu|: [change · 13 + step].
    let turned: [SIMD3<Double>]

    init(affine: Affine, sizes: [Double], intoTable: (SIMD3<Double>) -> SIMD3<Double>) {
        var offsets: [SIMD3<Int>] = []
        for z in 0...1 {
            for y in -1...1 {
                for x in -1...1 where z > 0 || y > 0 || (y == 0 && x > 0) { offsets.append(SIMD3(x, y, z)) }
            }
        }
        let smallest = (0..<3).map(affine.columnNorm).min()!
        var units: [SIMD3<Double>] = [], nearness: [Double] = []
        for o in offsets {
            let step = Double(o.x) * affine.column(0) + Double(o.y) * affine.column(1) + Double(o.z) * affine.column(2)
            let length = (step * step).sum().squareRoot()
            units.append(intoTable(step / length))
            nearness.append(smallest * smallest / (length * length))
        }
        turned = AxisChange.all.flatMap { change in
            units.map { u in
                var back = SIMD3<Double>.zero
                for r in 0..<3 { back[change.axes[r]] = change.isReversed[r] ? -u[r] : u[r] }
                return back
            }
        }
        (self.offsets, self.nearness) = (offsets, nearness)
    }
}

/// Σ F x and Σ F by block of voxels, for every change.
private struct BlockTotals {
    /// Voxels of a block along each axis.
    static let side = 4
    static let leastAnisotropy = 0.2

    struct Block {
        var weight = 0.0
        var sums = [Double](repeating: 0, count: AxisChange.all.count)
    }
    private(set) var blocks: [Block] = [], voxels = 0, isSolid = false

    init(_ field: FibreField, _ steps: FibreSteps, threads: Int) {
        let (nx, ny, nz) = (field.shape[0], field.shape[1], field.shape[2])
        @Sendable func coordinates(_ place: Int) -> SIMD3<Int> { SIMD3(place % nx, place / nx % ny, place / (nx * ny)) }
        var members: [Int: [Int]] = [:]
        for (v, place) in field.places.enumerated() where field.anisotropy[v] > Self.leastAnisotropy {
            let c = coordinates(place)
            let key =
                c.x / Self.side + (nx / Self.side + 1) * (c.y / Self.side + (ny / Self.side + 1) * (c.z / Self.side))
            members[key, default: []].append(v)
        }
        let lists = members.sorted { $0.key < $1.key }.map(\.value), changes = AxisChange.all.count,
            count = steps.offsets.count
        var blocks = [Block](repeating: Block(), count: lists.count),
            along = [SIMD3<Int>](repeating: .zero, count: lists.count)
        blocks.withUnsafeMutableBufferPointer { blocks in
            along.withUnsafeMutableBufferPointer { along in
                nonisolated(unsafe) let blocks = blocks, along = along
                forEachRange(of: lists.count, threads: threads) { range in
                    var sums = [Double](repeating: 0, count: count), numbers = [Double](repeating: 0, count: count)
                    for b in range {
                        for v in lists[b] {
                            let c = coordinates(field.places[v]), e = field.axes[v], f = field.anisotropy[v]
                            var total = 0.0, number = 0.0
                            for (k, o) in steps.offsets.enumerated() {
                                (sums[k], numbers[k]) = (0, 0)
                                for n in [c &+ o, c &- o]
                                where n.x >= 0 && n.y >= 0 && n.z >= 0 && n.x < nx && n.y < ny && n.z < nz {
                                    let w = Int(field.position[n.x + nx * (n.y + ny * n.z)])
                                    guard w >= 0 else { continue }
                                    let cosine = (e * field.axes[w]).sum()
                                    sums[k] += min(field.anisotropy[w] / f, 1) * cosine * cosine
                                    numbers[k] += 1
                                }
                                total += sums[k]
                                number += numbers[k]
                                if numbers[k] > 0, abs(o.x) + abs(o.y) + abs(o.z) == 1 { along[b] = along[b] &+ o }
                            }
                            guard number > 0 else { continue }
                            let mean = total / number
                            for t in 0..<changes {
                                var excess = 0.0, kernel = 0.0
                                for k in 0..<count {
                                    let cosine = (e * steps.turned[t * count + k]).sum(), square = cosine * cosine,
                                        fourth = square * square
                                    let weight = fourth * fourth * steps.nearness[k]
                                    excess += weight * (sums[k] - numbers[k] * mean)
                                    kernel += weight * numbers[k]
                                }
                                blocks[b].sums[t] += f * excess / (1 + kernel)
                            }
                            blocks[b].weight += f
                        }
                    }
                }
            }
        }
        self.blocks = blocks
        voxels = lists.reduce(0) { $0 + $1.count }
        let solid = along.reduce(SIMD3<Int>.zero, &+)
        isSolid = 4 * min(solid.x, solid.y, solid.z) >= voxels
    }

    func ranked() -> [OrientationTest.Candidate] {
        let changes = AxisChange.all, weight = blocks.reduce(0) { $0 + $1.weight }
        let coherence = changes.indices.map { t in weight > 0 ? blocks.reduce(0) { $0 + $1.sums[t] } / weight : 0 }
        // Stable where all are equal: the table as it is comes first.
        let best = coherence.indices.max {
            coherence[$0] < coherence[$1] || (coherence[$0] == coherence[$1] && $0 > $1)
        }!
        let candidates = changes.indices.map { t in
            var variance = 0.0
            for block in blocks {
                let residual = block.sums[best] - block.sums[t] - block.weight * (coherence[best] - coherence[t])
                variance += residual * residual
            }
            let error = weight > 0 ? variance.squareRoot() / weight : 0, difference = coherence[best] - coherence[t]
            return OrientationTest.Candidate(
                change: changes[t], coherence: coherence[t], deficit: error > 0 ? difference / error : 0)
        }
        let order = candidates.indices.sorted { (-candidates[$0].coherence, $0) < (-candidates[$1].coherence, $1) }
        return order.map { candidates[$0] }
    }
}

/// Runs a body over ranges that together make 0..<count, on up to `threads` threads.
private func forEachRange(of count: Int, threads: Int, _ body: @Sendable (Range<Int>) -> Void) {
    let pieces = max(1, min(count, 8 * threads))
    try! forEachInParallel(pieces, threads: threads) { p in body(p * count / pieces..<(p + 1) * count / pieces) }
}
