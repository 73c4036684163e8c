"""HTTP for apps: routes by noun, who calls and what they may do, middleware, problem documents."""
