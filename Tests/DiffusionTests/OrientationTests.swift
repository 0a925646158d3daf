import Foundation
import ModelSpace
import Testing
import Volumes

@testable import Diffusion

/// Whether gradient directions point along fibres, on bundles whose course is known.
@Suite struct OrientationTests {
    /// Circles of several radii about two axes in a grid of water: along them fibres go on, across them they end.
    private struct Bundles {
        let mask: Mask, conversion: FrameConversion, table: GradientTable
        let acquisition: Acquisition
        let signals: [Float]

        /// - Parameters:
        ///   - change: what was done to the right table.
        ///   - hasFibres: whether there is anything but water.
        init(
            shape: [Int] = [20, 20, 14], affine: Affine, change: AxisChange = .none, frame: GradientTable.Frame = .fsl,
            hasFibres: Bool = true, noise: Double = 0.05
        ) throws {
            let geometry = VolumeGeometry(shape: shape, affine: affine), count = geometry.voxelsPerVolume
            mask = Mask(geometry: geometry, indices: Array(0..<count))
            conversion = try FrameConversion(affine3x3: (0..<9).map { affine[$0 / 3, $0 % 3] })
            let directions = DirectionSets.fibonacci(30), b = [0.0, 0] + Array(repeating: 1000.0, count: 30),
                g = [.zero, .zero] + directions
            let centre = affine(SIMD3(0.5 * Double(shape[0]), 0.5 * Double(shape[1]), 0.5 * Double(shape[2])))
            let axes = [SIMD3(0.35, 0.45, 0.82), SIMD3(0.9, -0.3, 0.3)].map { $0 / ($0 * $0).sum().squareRoot() }
            let centres = [centre, centre + SIMD3(6, -9, 4)]
            var values: [Float] = [], random = RandomSource(seed: 5)
            for v in 0..<count {
                let x = affine(
                    SIMD3(Double(v % shape[0]), Double(v / shape[0] % shape[1]), Double(v / (shape[0] * shape[1]))))
                var fibre: SIMD3<Double>?
                for (axis, centre) in zip(axes, centres) {
                    let d = x - centre, across = d - (d * axis).sum() * axis,
                        radius = (across * across).sum().squareRoot()
                    guard radius > 4, Int(radius / 5) % 2 == 1, Int(abs((d * axis).sum()) / 6) % 2 == 0 else {
                        continue
                    }
                    fibre = SymmetricMatrix3.cross(axis, across / radius)
                    break
                }
                for i in b.indices {
                    let cosine = fibre.map { ($0 * g[i]).sum() } ?? 0,
                        d = fibre == nil || !hasFibres ? 0.8 : 0.4 + 1.3 * cosine * cosine
                    values.append(Float(500 * (exp(-b[i] / 1000 * d) + noise * random.normal())))
                }
            }
            signals = values
            let right = frame == .fsl ? g.map(conversion.fsl(fromScanner:)) : g
            table = GradientTable(bValues: b, vectors: right.map { change($0) }, frame: frame)
            acquisition = try table.acquisition(conversion: conversion)
        }

        func test(threads: Int = 2) throws -> OrientationTest {
            try OrientationTest(
                signals: signals, mask: mask, acquisition: acquisition, frame: table.frame, threads: threads)
        }
    }

    /// 2 × 2 × 3 mm, turned by 25° about an axis askew; i to the left or to the right.
    private static func oblique(_ sign: Double) -> Affine {
        let (c, s) = (cos(0.436), sin(0.436)), u = SIMD3(0.6, 0.64, 0.48)
        func rotated(_ v: SIMD3<Double>) -> SIMD3<Double> {
            c * v + s * SymmetricMatrix3.cross(u, v) + (1 - c) * (u * v).sum() * u
        }
        let columns = [2 * sign * rotated(SIMD3(1, 0, 0)), 2 * rotated(SIMD3(0, 1, 0)), 3 * rotated(SIMD3(0, 0, 1))]
        return Affine(rows: (0..<3).flatMap { r in columns.map { $0[r] } + [10 * Double(r)] })
    }
    private static let plain = Affine(rows: [-2, 0, 0, 30, 0, 2, 0, -30, 0, 0, 2, -10])

    @Test func thereAre24ChangesAndNoTwoAreTheSameUpToSign() {
        let v = SIMD3(1.0, 2, 4), images = AxisChange.all.map { $0(v) }
        #expect(images.count == 24 && images[0] == v)
        for (k, a) in images.enumerated() { for b in images[..<k] { #expect(a != b && a != -b) } }
        #expect(AxisChange.all[1].words == "the sign of x changed" && AxisChange.all[4].words == "x and y exchanged")
        #expect(AxisChange.all[4].formula == "y,x,z" && AxisChange.all[5].words == "(x, y, z) replaced by (-y, x, z)")
    }

    /// Whatever was done to the table is found out, and undone by the change named.
    @Test(arguments: [plain, oblique(-1), oblique(1)], [GradientTable.Frame.fsl, .scanner])
    func everyWrongTableIsFound(affine: Affine, frame: GradientTable.Frame) throws {
        for change in AxisChange.all {
            let bundles = try Bundles(affine: affine, change: change, frame: frame), test = try bundles.test()
            #expect(test.verdict == (change == .none ? .right : .wrong), "\(change.formula): \(test.margin)")
            #expect(test.remaining == [test.best.change], "\(change.formula): \(test.margin)")
            let v = SIMD3(1.0, 2, 4), back = test.best.change(change(v))
            #expect(back == v || back == -v, "\(change.formula) is undone by \(test.best.change.formula)")
        }
    }

    /// Nothing is said of what holds no fibres, one slice, or a corner.
    @Test func littleIsNotEnough() throws {
        let right = AxisChange.none,
            water = try Bundles(affine: Self.plain, change: AxisChange.all[2], hasFibres: false).test()
        #expect(water.verdict == .undecided && !water.hasEnough)
        for shape in [[20, 20, 1], [1, 40, 40], [40, 1, 40], [5, 5, 5]] {
            for change in [right, AxisChange.all[2]] {
                let test = try Bundles(shape: shape, affine: Self.plain, change: change).test()
                #expect(test.verdict == .undecided && !test.hasEnough, "\(shape)")
            }
        }
    }

    @Test func threadsAndScalesDoNotMatter() throws {
        let bundles = try Bundles(affine: Self.oblique(1), change: AxisChange.all[7]),
            one = try bundles.test(threads: 1)
        for threads in [2, 5] { #expect(try bundles.test(threads: threads) == one) }
        var signals = bundles.signals.map { $0 * 4 }
        // A voxel that is nothing, one that is not a number, one without b≈0.
        for i in 0..<32 { (signals[320 + i], signals[640 + i]) = (0, .nan) }
        (signals[0], signals[1]) = (0, 0)
        let scaled = try OrientationTest(
            signals: signals, mask: bundles.mask, acquisition: bundles.acquisition, threads: 3)
        #expect(scaled.best.change == one.best.change && abs(scaled.margin - one.margin) < 0.5)
    }

    /// The scans at hand: right, or not enough to tell; and never wrong. One came with a table that is.
    @Test(
        .enabled(
            if: FileManager.default.fileExists(atPath: shared), "needs ../shared/data, which is not part of the project"
        ),
        arguments: [
            ("nlsam-1p8mm-slab8", "dwi.bvec", OrientationTest.Verdict.right),
            ("nlsam-1p8mm-wholebrain", "dwi.bvec", .right),
            ("nlsam-1p8mm-wholebrain", "dwi_original.bvec", .wrong), ("uih-dir16-pa", "dwi.bvec", .right),
            ("mdt-b1k-b2k", "dwi.bvec", .undecided),
            ("axsi-voxels", "dwi.bvec", .undecided), ("dipy-small-64d", "dwi.bvec", .undecided),
            ("water-phantom", "dwi.bvec", .undecided),
        ])
    func realScans(name: String, bvecs: String, verdict: OrientationTest.Verdict) throws {
        let folder = Self.shared + "/" + name, dwi = folder + "/dwi.nii.gz",
            geometry = try VolumeReader(path: dwi).geometry
        let mask = try Mask(path: folder + "/mask.nii.gz", matching: geometry, of: dwi),
            series = try MaskedSeries(path: dwi, mask: mask)
        let conversion = try FrameConversion(affine3x3: (0..<9).map { geometry.affine[$0 / 3, $0 % 3] })
        let acquisition = try GradientTable.readFSL(bvals: folder + "/dwi.bval", bvecs: folder + "/" + bvecs)
            .acquisition(conversion: conversion)
        let test = try OrientationTest(signals: series.values, mask: mask, acquisition: acquisition, threads: 2)
        #expect(test.verdict == verdict, "margin \(test.margin), \(test.voxels) voxels, \(test.blocks) blocks")
        if verdict == .wrong { #expect(test.best.change.formula == "-x,y,z" && test.margin > 30) }
        if verdict == .right { #expect(test.margin > 10) }
    }

    static let shared = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("shared/data").path
}
