declare module "node-jose";
