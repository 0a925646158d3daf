import ArgumentParser
import Foundation
import Networks
import Tensors

struct Info: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Say what a network is, and how it was made.")

    @Option(help: "Trained network (default: the one built in).") var network: String?
    @Flag(help: "Print the training recipe only.") var recipe = false

    func run() throws {
        let file = try network.map(NetworkFile.init(path:)) ?? NetworkFile.standard(), o = file.origin
        if recipe {
            print(o.recipe)
            return
        }
        print("""
            network      \(o.name) (\(network ?? "built in"))
            SHA-256      \(file.sha256)
            family       \(o.family)
            weights      \(file.network.layout.references.reduce(0) { $0 + $1.count })
            simulations  \(o.simulations) in \(o.steps) steps
            last losses  structure \(String(format: "%.4f", o.structureLoss)) nats, parameters \(String(format: "%.4f", o.parameterLoss))
            BLAS core    \(Blas.prepare())
            """)
    }
}
