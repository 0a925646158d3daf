import Foundation
import ModelSpace
import Testing

@testable import Diffusion

/// The four kinds of affine: determinant positive or negative, axis-aligned or oblique (columns scaled by 2, 1.5 and 3
/// mm).
struct AffineKind: CustomTestStringConvertible {
    var positive: Bool, oblique: Bool
    var testDescription: String { "\(positive ? "det > 0" : "det < 0"), \(oblique ? "oblique" : "axis-aligned")" }

    var rotation: [Double] {
        let (a, b) = oblique ? (0.3, -0.2) : (0.0, 0.0)
        return [
            cos(a), -sin(a) * cos(b), sin(a) * sin(b), sin(a), cos(a) * cos(b), -cos(a) * sin(b), 0, sin(b), cos(b),
        ]
    }
    var affine: [Double] {
        let size = [positive ? 2.0 : -2.0, 1.5, 3]
        return (0..<9).map { rotation[$0] * size[$0 % 3] }
    }
    static let all = [true, false].flatMap { p in [true, false].map { AffineKind(positive: p, oblique: $0) } }
}

@Suite struct FrameTests {
    @Test("FSL, scanner and voxel frames follow the written formulas", arguments: AffineKind.all)
    func formulas(_ kind: AffineKind) throws {
        let conversion = try FrameConversion(affine3x3: kind.affine)
        var random = RandomSource(seed: 41)
        for _ in 0..<20 {
            let v = DirectionSets.uniform(using: &random), r = kind.rotation
            // v_scan = R diag(s, 1, 1) v_fsl, written out; R's first column carries the reflection when det < 0.
            let first = (kind.positive ? 1.0 : -1.0) * (kind.positive ? -1.0 : 1.0) * v.x
            let expected = SIMD3(
                r[0] * first + r[1] * v.y + r[2] * v.z, r[3] * first + r[4] * v.y + r[5] * v.z,
                r[6] * first + r[7] * v.y + r[8] * v.z)
            let scanner = conversion.scanner(fromFSL: v)
            #expect(((scanner - expected) * (scanner - expected)).sum() < 1e-24)
            let back = conversion.fsl(fromScanner: scanner)
            #expect(((back - v) * (back - v)).sum() < 1e-24)
            let voxel = conversion.voxel(fromScanner: scanner), flipped = SIMD3(kind.positive ? -v.x : v.x, v.y, v.z)
            #expect(((voxel - flipped) * (voxel - flipped)).sum() < 1e-24)
        }
    }

    @Test("Shear is taken out by the nearest rotation, and broken affines are refused")
    func shear() throws {
        let conversion = try FrameConversion(affine3x3: [2, 0.02, 0, 0, 2, 0, 0.01, 0, 2])
        for i in 0..<3 {
            for j in 0..<3 {
                #expect(abs((conversion.columns[i] * conversion.columns[j]).sum() - (i == j ? 1 : 0)) < 1e-12)
            }
        }
        #expect(conversion.columns[0].x > 0.9999 && conversion.fslSign == -1)
        for bad: [Double] in [
            [0, 0, 0, 0, 1, 0, 0, 0, 1], [1, 1, 0, 1, 1, 0, 0, 0, 1], [.nan, 0, 0, 0, 1, 0, 0, 0, 1],
        ] {
            #expect(throws: GradientTableError.singularAffine) { try FrameConversion(affine3x3: bad) }
        }
    }

    @Test("Eigensystems reconstruct the matrix; the closed form agrees with Jacobi")
    func eigen() {
        var random = RandomSource(seed: 42)
        for trial in 0..<2000 {
            var m = SymmetricMatrix3(
                xx: random.normal(), yy: random.normal(), zz: random.normal(), xy: random.normal(), xz: random.normal(),
                yz: random.normal())
            if trial % 4 == 0 { m = SymmetricMatrix3(); m.add(DirectionSets.uniform(using: &random), weight: 3) }
            let (values, v) = m.eigensystem()
            #expect(values.x >= values.y && values.y >= values.z)
            var back = SymmetricMatrix3()
            back.add(v.0, weight: values.x); back.add(v.1, weight: values.y); back.add(v.2, weight: values.z)
            let gap = [back.xx - m.xx, back.yy - m.yy, back.zz - m.zz, back.xy - m.xy, back.xz - m.xz, back.yz - m.yz]
                .map(abs).max()!
            #expect(gap < 1e-13)
            if values.x - values.y > 0.05 { #expect(abs((m.principalAxis() * v.0).sum()) > 1 - 1e-12) }
        }
        #expect(SymmetricMatrix3().principalAxis() == SIMD3(1, 0, 0))
        #expect(SymmetricMatrix3(xx: .nan).principalAxis() == SIMD3(1, 0, 0))
        let degenerate = SymmetricMatrix3(xx: 1, yy: 1, zz: 0).principalAxis()
        #expect(abs((degenerate * degenerate).sum() - 1) < 1e-12 && abs(degenerate.z) < 1e-12)
    }
}
