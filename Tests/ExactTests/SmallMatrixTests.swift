import CKernels
import Foundation
import ModelSpace
import Testing

@testable import Exact

/// Small positive definite matrices against their definitions.
@Suite struct SmallMatrixTests {
    static let row = SmallMatrix.stride

    /// B Bᵀ + ½ for random B, in the upper triangle; something else below it.
    static func matrix(_ d: Int, _ random: inout RandomSource) -> [Double] {
        let b = (0..<d * d).map { _ in random.normal() }
        var a = [Double](repeating: 3, count: SmallMatrix.size)
        for i in 0..<d {
            for j in i..<d { a[i * row + j] = (0..<d).reduce(i == j ? 0.5 : 0) { $0 + b[i * d + $1] * b[j * d + $1] } }
        }
        return a
    }

    @Test(arguments: 1...16)
    func factorIsOfTheMatrix(_ d: Int) {
        var random = RandomSource(seed: 5, stream: UInt64(d))
        for _ in 0..<20 {
            let a = Self.matrix(d, &random)
            var u = a
            #expect(pk_factorise(d, &u) == 1)
            var plain = (0..<d * d).map { a[min($0 / d, $0 % d) * Self.row + max($0 / d, $0 % d)] }
            #expect(Cholesky.factorise(&plain, d))
            for i in 0..<d {
                #expect(u[i * Self.row + i] > 0)
                for j in i..<d {
                    let product = (0...i).reduce(0) { $0 + u[$1 * Self.row + i] * u[$1 * Self.row + j] }
                    #expect(
                        abs(product - a[i * Self.row + j]) <= 1e-13
                            * (a[i * Self.row + i] * a[j * Self.row + j]).squareRoot())
                    #expect(plain[j * d + i] == u[i * Self.row + j])
                }
            }
        }
    }

    /// Beyond what the kernel holds.
    @Test(arguments: [17, 30, 48])
    func largerOnesAreFactorisedToo(_ d: Int) {
        var random = RandomSource(seed: 7, stream: UInt64(d))
        let b = (0..<d * d).map { _ in random.normal() }
        var a = (0..<d * d).map { at in
            (0..<d).reduce(at / d == at % d ? 0.5 : 0) { $0 + b[at / d * d + $1] * b[at % d * d + $1] }
        }
        let whole = a
        #expect(Cholesky.factorise(&a, d))
        for i in 0..<d {
            for j in 0...i {
                let product = (0...j).reduce(0) { $0 + a[i * d + $1] * a[j * d + $1] }
                #expect(abs(product - whole[i * d + j]) <= 1e-12 * (whole[i * d + i] * whole[j * d + j]).squareRoot())
            }
        }
        var not = whole
        not[(d - 1) * d + d - 1] = -1
        let before = not
        #expect(!Cholesky.factorise(&not, d) && not == before)
    }

    @Test(arguments: 1...15)
    func solutionSolves(_ d: Int) {
        var random = RandomSource(seed: 6, stream: UInt64(d))
        for _ in 0..<20 {
            let a = Self.matrix(d, &random), b = (0..<d).map { _ in random.normal() }
            var spoilt = a, x = [Double](repeating: -7, count: d + 2)
            for j in 0..<d { spoilt[j * Self.row + d] = b[j] }
            #expect(pk_solve(d, &spoilt, &x) == 1)
            for i in 0..<d {
                let terms = (0..<d).map { a[min(i, $0) * Self.row + max(i, $0)] * x[$0] }
                #expect(abs(terms.reduce(0, +) - b[i]) <= 1e-12 * terms.reduce(1) { $0 + abs($1) })
            }
            #expect(x[d] == -7 && x[d + 1] == -7)
        }
    }

    @Test func whatIsNotPositiveDefiniteIsRefused() {
        var random = RandomSource(seed: 7)
        for d in 1...15 {
            for value in [-1.0, 0, -Double.infinity, Double.infinity, Double.nan] {
                var a = Self.matrix(d, &random)
                let j = d / 2
                a[j * Self.row + j] = value
                var u = a, x = [Double](repeating: -7, count: d),
                    plain = (0..<d * d).map { a[min($0 / d, $0 % d) * Self.row + max($0 / d, $0 % d)] }
                let before = plain
                #expect(pk_factorise(d, &u) == 0 && pk_solve(d, &a, &x) == 0 && !Cholesky.factorise(&plain, d))
                #expect(x.allSatisfy { $0 == -7 } && zip(plain, before).allSatisfy { $0 == $1 || $0.isNaN })
            }
        }
    }

    /// Systems of any size that climbs have: factor, solution, and conjugate directions.
    @Test(arguments: [5, 15, 16, 17, 20, 23, 24, 31, 32, 33, 40, 57, 62])
    func largerSystemsAreSolved(_ d: Int) {
        var random = RandomSource(seed: 8, stream: UInt64(d))
        let row = SignalLimits.stride(d), b = (0..<d * d).map { _ in random.normal() }
        var a = [Double](repeating: 3, count: d * row), x = [Double](repeating: -7, count: d + 1)
        for i in 0..<d {
            for j in i..<d {
                a[i * row + j] = (0..<d).reduce(i == j ? 0.5 : 0) { $0 + b[i * d + $1] * b[j * d + $1] }
            }
        }
        func entry(_ i: Int, _ j: Int) -> Double { a[min(i, j) * row + max(i, j)] }
        let right = (0..<d).map { _ in random.normal() }, prior = (0..<d).map { _ in random.uniform(0.1, 2) }
        var u = a, spoilt = a
        for j in 0..<d { spoilt[j * row + d] = right[j] }
        #expect(pk_system_factorise(d, row, &u) == 1 && pk_system_solve(d, row, &spoilt, &x) == 1)
        #expect(x[d] == -7)
        for i in 0..<d {
            for j in i..<d {
                let product = (0...i).reduce(0) { $0 + u[$1 * row + i] * u[$1 * row + j] }
                #expect(abs(product - entry(i, j)) <= 1e-12 * (entry(i, i) * entry(j, j)).squareRoot())
            }
            let terms = (0..<d).map { entry(i, $0) * x[$0] }
            #expect(abs(terms.reduce(0, +) - right[i]) <= 1e-10 * terms.reduce(1) { $0 + abs($1) })
        }
        // As the plain definition has them, to the last bit.
        var all = [Double](repeating: 5, count: row * row), squares = [Double](repeating: 5, count: row)
        var one = [Double](repeating: 5, count: d)
        pk_system_directions(d, row, u, prior, &all, &squares)
        for i in 0..<d {
            #expect(WideDirection.conjugate(i, d, u, row: row, prior: prior, into: &one) == squares[i])
            #expect((0..<d).allSatisfy { all[$0 * row + i] == one[$0] })
        }
        // A pivot that is not positive, in either place of a pair.
        for j in [d - 1, d - 2] {
            var not = a
            not[j * row + j] = -1
            var other = not
            #expect(pk_system_factorise(d, row, &not) == 0 && pk_system_solve(d, row, &other, &x) == 0)
        }
    }
}
