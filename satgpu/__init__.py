"""satgpu: how fine a spatial detail can a geographic location encoder tell apart?"""
