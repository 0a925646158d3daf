import Foundation
import Testing
import Volumes

@Suite struct MaskTests {
    let scratch = Scratch()
    let affine = Affine(rows: [-2, 0, 0, 10, 0, 2, 0, -20, 0, 0, 2, 30])

    func series(_ change: (inout Fixture) -> Void = { _ in }) -> String {
        var f = Fixture(dim: [2, 3, 2, 37])
        f.setData((0..<12 * 37).map { Int16($0) })
        change(&f)
        return scratch.file("dwi.nii.gz", gzipStored(f.file))
    }

    @Test func seriesKeepsVoxelsTogether() throws {
        let path = series()
        let mask = Mask(geometry: VolumeGeometry(shape: [2, 3, 2], affine: affine), indices: [0, 4, 5, 11])
        var seen: [Int] = []
        let s = try MaskedSeries(path: path, mask: mask) { done, total in
            #expect(total == 37)
            seen.append(done)
        }
        #expect(seen == Array(1...37) && s.measurements == 37 && s.count == 4)
        for (v, i) in mask.indices.enumerated() {
            #expect(s.values[37 * v..<37 * (v + 1)].elementsEqual((0..<37).map { Float(i + 12 * $0) }))
        }
        let part = try MaskedSeries(
            path: path, mask: Mask(geometry: mask.geometry, indices: Array(mask.indices[1..<3])))
        #expect(part.values == Array(s.values[37..<3 * 37]) && part.mask.indices == [4, 5])
        #expect(mask.coordinates(3) == SIMD3(1, 2, 1) && mask.coordinates(1) == SIMD3(0, 2, 0))
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            try MaskedSeries(path: path, mask: mask) { done, _ in if done == 5 { throw Stop() } }
        }
    }

    /// Chunks of the reader are smaller than this volume, and the mask leaves whole chunks out.
    @Test func chunkBorders() throws {
        let shape = [101, 103, 31]
        let total = shape.reduce(1, *)
        let path = scratch.file("large.nii.gz")
        try VolumeWriter.write(path, geometry: VolumeGeometry(shape: shape + [18], affine: affine), as: Float.self) {
            t, grid in
            for i in 0..<total { grid[i] = Float(i % 65_521 + t) }
        }
        let indices = (0..<total).filter {
            $0 % 3 == 0 && !(70_000..<250_000).contains($0) || $0 == total - 1 || (65_530...65_540).contains($0)
        }
        let s = try MaskedSeries(
            path: path, mask: Mask(geometry: VolumeGeometry(shape: shape, affine: affine), indices: indices))
        var wrong = 0
        for v in 0..<indices.count {
            for t in 0..<18 where s.values[18 * v + t] != Float(indices[v] % 65_521 + t) { wrong += 1 }
        }
        #expect(wrong == 0)
    }

    @Test func nonFiniteValuesStay() throws {
        var f = Fixture(datatype: 16, dim: [2, 1, 1, 2])
        f.setData([Float.nan, 1, -3, .infinity])
        let mask = Mask(geometry: VolumeGeometry(shape: [2, 1, 1], affine: affine), indices: [0, 1])
        let s = try MaskedSeries(path: scratch.file("n.nii", f.file), mask: mask)
        #expect(s.values[0].isNaN && s.values[1...] == [-3, 1, .infinity])
    }

    @Test func onlySeriesAreSeries() throws {
        let mask = Mask(geometry: VolumeGeometry(shape: [2, 3, 2], affine: affine), indices: [0])
        func write(_ dim: [Int]) -> String {
            series {
                $0.dim = dim; $0.data = Array($0.data.prefix(2 * dim.reduce(1, *)))
            }
        }
        for dim in [[2, 3, 2], [2, 3, 2, 1], [2, 3, 2, 1, 1]] {
            let path = write(dim)
            let error = volumeError { _ = try MaskedSeries(path: path, mask: mask) }
            #expect(
                error
                    == .wrongDimensions(
                        path: path, shape: dim,
                        wanted: "a 4-D image with several volumes is needed; give the whole diffusion series"))
        }
        let grid = write([2, 3, 2, 2, 2])
        #expect(
            volumeError { _ = try MaskedSeries(path: grid, mask: mask) }.map {
                "\($0)".contains("2×3×2×2×2") && "\($0)".contains("axes 4 and 5")
            } == true)
        // ITK's writers put the volumes along a later axis.
        for dim in [[2, 3, 2, 1, 5], [2, 3, 2, 1, 1, 5], [2, 3, 2, 5, 1, 1, 1]] {
            let s = try MaskedSeries(path: write(dim), mask: mask)
            #expect(s.measurements == 5 && s.values == [0, 12, 24, 36, 48])
        }
        #expect(volumeError { _ = try Volume(path: series()) }?.kind == .badData)
    }

    @Test func truncatedSeries() throws {
        let mask = Mask(geometry: VolumeGeometry(shape: [2, 3, 2], affine: affine), indices: [0, 1])
        let whole = bytes(of: series())
        let path = scratch.file("cut.nii.gz", Array(whole.prefix(700)))
        #expect(
            volumeError { _ = try MaskedSeries(path: path, mask: mask) }
                == .corrupt(path: path, reason: "it ends before its gzip stream does"))
        let bad = scratch.file("crc.nii.gz", whole.dropLast(8) + [1, 2, 3, 4] + whole.suffix(4))
        #expect(
            volumeError { _ = try MaskedSeries(path: bad, mask: mask) }
                == .corrupt(path: bad, reason: "incorrect data check"))
    }

    @Test func masks() throws {
        let dwi = VolumeGeometry(shape: [2, 3, 2, 37], affine: affine)
        func mask(_ values: [Float], _ change: (inout Fixture) -> Void = { _ in }) throws -> Mask {
            var f = Fixture(datatype: 16)
            f.setData(values)
            change(&f)
            return try Mask(path: scratch.file("mask.nii", f.file), matching: dwi, of: "dwi.nii.gz")
        }
        let path = scratch.path + "/mask.nii"
        let values: [Float] = [0, 1, 0, .nan, .infinity, 1, 1, 0, 0, 0, 0, 1]
        #expect(try mask(values).indices == [1, 5, 6, 11])
        #expect(try mask(values).geometry == dwi.withTrailing([]))
        #expect(try mask(values) { $0.dim = [2, 3, 2, 1] }.count == 4)
        for (value, reason): (Float, String) in [
            (0, "its largest value is 0"), (-1, "its largest value is -1"), (.nan, "none of its values is finite"),
        ] {
            #expect(
                volumeError { _ = try mask(Array(repeating: value, count: 12)) }
                    == .emptyMask(path: path, reason: reason))
        }
        #expect(
            volumeError { _ = try mask((0..<12).map { 0.04 * Float($0) }) }
                == .emptyMask(path: path, reason: "its largest value is 0.44"))
        #expect(
            volumeError { _ = try mask(values) { $0.dim = [3, 2, 2] } }
                == .shapeMismatch(path: path, shape: [3, 2, 2], reference: "dwi.nii.gz", referenceShape: [2, 3, 2]))
        let error = volumeError { _ = try mask(values) { $0.sform[3] = 13 } }
        #expect(
            error.map { "\($0)" }
                == "\(path) lies up to 3 mm away from dwi.nii.gz (affine [-2 0 0 13; 0 2 0 -20; 0 0 2 30] against "
                    + """
                    [-2 0 0 10; 0 2 0 -20; 0 0 2 30]); if it was made from that image, copy that image's header to \
                    it, otherwise resample it onto that grid
                    """
        )
        #expect(volumeError { _ = try mask(values) { $0.sform[0] = 2 } }?.kind == .badData)
        #expect(try mask(values) { $0.sform[3] = 10.1 }.count == 4)
        let other = Mask(geometry: VolumeGeometry(shape: [2, 3, 2], affine: Affine.identity), indices: [0])
        #expect(volumeError { _ = try MaskedSeries(path: series(), mask: other) }?.kind == .badData)
    }

    /// Which values count, and what is said of it.
    @Test(
        arguments: [
            ("binary", [0, 1, 1, 0], [1, 2], nil), ("everything", [1, 1, 1, 1], [0, 1, 2, 3], nil),
            ("0/255", [0, 255, 255, 0], [1, 2], nil),
            ("faint", [0, 0.25, 0.25, 0], [1, 2], "value beside 0 is 0.25"),
            ("labels", [0, 1, 2, 17], [1, 2, 3], "3 different values"),
            ("labels, -1 for nothing", [-1, -1, 1, 3], [2, 3], "2 voxels below 0"),
            ("probability", [0.1, 0.5, 0.51, 1], [2, 3], "2 voxels are above 0.5, 2 lie between"),
            (
                "ringing", [-0.07, -0.1, 1.04, 0.98], [2, 3],
                "2 voxels are above 0.5, 0 lie between 0 and 0.5, 2 are negative"
            ),
            ("ringing in int16 of 0/255", [-12, -9, 262, 31], [2], "1 voxels are above 131, 1 lie between"),
            ("ringing of 0/255", [-11.5, 20.1, 254.2, 257.5], [2, 3], "1 are negative"),
            ("with nan", [.nan, 0.2, 0.9, .infinity], [2], "1 voxels are above 0.5"),
        ] as [(String, [Float], [Int], String?)]) func maskValues(
            _ name: String, _ values: [Float], _ inside: [Int], _ said: String?
        ) throws
    {
        var f = Fixture(datatype: 16, dim: [4, 1, 1])
        f.setData(values)
        var words: [String] = []
        let mask = try Mask(
            path: scratch.file("mask.nii", f.file), matching: VolumeGeometry(shape: [4, 1, 1, 9], affine: affine),
            of: "dwi.nii", warn: { words.append($0) })
        #expect(mask.indices == inside)
        #expect(words.count == (said == nil ? 0 : 1))
        if let said { #expect(words[0].contains(said) && words[0].contains("mask.nii"), "\(words)") }
    }

    /// A header that does not say where its voxels lie is taken at its dimensions, and that is said.
    @Test func unplacedMask() throws {
        var f = Fixture(datatype: 16, sformCode: 0)
        f.setData((0..<12).map { Float($0 % 2) })
        var words: [String] = []
        let path = scratch.file("mask.nii", f.file),
            placed = VolumeGeometry(shape: [2, 3, 2, 9], affine: Affine(rows: [0, 3, 0, 90, 3, 0, 0, 7, 0, 0, 3, 1]))
        let mask = try Mask(path: path, matching: placed, of: "dwi.nii", warn: { words.append($0) })
        #expect(
            mask.geometry == placed.withTrailing([]) && mask.count == 6 && words.count == 1
                && words[0].contains("both form codes are 0"))
        #expect(
            volumeError {
                _ = try Mask(path: path, matching: VolumeGeometry(shape: [3, 2, 2], affine: affine), of: "dwi.nii")
            }?.kind == .badData)
        // The image says nothing and the mask does.
        let bare = try VolumeReader(path: path).geometry
        f.sformCode = 1
        #expect(
            try Mask(path: scratch.file("placed.nii", f.file), matching: bare, of: "dwi.nii").geometry == bare
                && !bare.isPlaced)
    }

    // MARK: the mask of last resort

    /// A bright ball with a dark hole, a smaller ball apart from it, and noise.
    @Test func simpleMask() throws {
        let n = 40
        var values = [Float](repeating: 0, count: n * n * n)
        var truth: [Int] = []
        var state: UInt64 = 7
        for i in values.indices {
            let (x, y, z) = (Float(i % n), Float(i / n % n), Float(i / n / n))
            func r(_ a: Float, _ b: Float, _ c: Float) -> Float {
                ((x - a) * (x - a) + (y - b) * (y - b) + (z - c) * (z - c)).squareRoot()
            }
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            values[i] = Float(state >> 40) / Float(1 << 24) * 20
            if r(18, 20, 20) < 13 { truth.append(i) }
            if r(18, 20, 20) < 13 && r(18, 20, 20) > 4 || r(36, 20, 20) < 3 { values[i] += 100 }
        }
        values[0] = .nan
        values[1] = .infinity
        let geometry = VolumeGeometry(shape: [n, n, n], affine: affine)
        let mask = try Mask.simple(b0: Volume(geometry: geometry, values: values))
        #expect(mask.dice(Mask(geometry: geometry, indices: truth)) > 0.95)
        for flat: Float in [0, -1, .nan] {
            let error = volumeError {
                _ = try Mask.simple(b0: Volume(geometry: geometry, values: Array(repeating: flat, count: n * n * n)))
            }
            #expect(error == .noBrainFound(reason: "they hold no value above 0"))
        }
        #expect(
            volumeError {
                _ = try Mask.simple(b0: Volume(geometry: geometry, values: Array(repeating: 5, count: n * n * n)))
            }
                == .noBrainFound(reason: "they have the same value everywhere"))
    }
}

extension Mask {
    /// Dice overlap with another mask on the same grid: 2·|A ∩ B| / (|A| + |B|).
    func dice(_ other: Mask) -> Double {
        precondition(geometry.spatialShape == other.geometry.spatialShape)
        let inside = bytes
        return 2 * Double(other.indices.count { inside[$0] == 1 }) / Double(count + other.count)
    }
}
